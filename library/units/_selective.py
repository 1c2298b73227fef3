"""The selective scan of Mamba (Gu & Dao 2023, arXiv 2312.00752, algorithm 2) without ever holding all states.

Every channel e has n states with decays of their own, so no matrix product stands in for the recurrence, and the states of a whole
sequence are n times as large as its activations. As in the paper's section 3.3.2 they are recomputed for the backward pass: spans of
positions that fit into the processor's cache, each scanned in two levels (the positions of a chunk in turn, for all its chunks at once).
Shapes: b batch, l length, s a span, e channels, n states a channel; states lie as (n, e), so that the inner loops run over channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def selective_scan(dt: Tensor, x: Tensor, b: Tensor, c: Tensor, a: Tensor) -> Tensor:
    """h_t = exp(dt_t a) ∘ h_{t−1} + dt_t x_t b_t, y_t = h_t c_t: dt > 0 and x (b, l, e), b and c (b, l, n), a < 0 (e, n) → (b, l, e)."""
    length, exact = x.shape[1], torch.promote_types(x.dtype, torch.float32)
    dt, x, b, c = (F.pad(t.to(exact), (0, 0, 0, -length % SelectiveScan.CHUNK)) for t in (dt, x, b, c))
    with torch.autocast("cuda" if x.is_cuda else "cpu", enabled=False):
        return SelectiveScan.apply(dt, x, b, c, a.to(exact).T.contiguous())[:, :length]


class SelectiveScan(torch.autograd.Function):
    """With its backward pass, which autograd could only derive by keeping every state; one in CHUNK is kept.

    Each scan goes twice over a span: first for what every chunk adds to the state, then, the chunks' starts known, for the states.
    All spans use the same few buffers: fresh memory for each would cost more than the arithmetic.
    """

    CHUNK = 16                       # positions in turn; all chunks of a span at once
    ON_CPU, ON_GPU = 2**20, 2**26    # states in a span: 4 MB stay in a processor's cache, 256 MB keep a GPU busy

    @staticmethod
    def forward(ctx, dt: Tensor, x: Tensor, b: Tensor, c: Tensor, a: Tensor) -> Tensor:
        state, kept_starts, out = dt.new_zeros(dt.shape[0], *a.shape), [], []
        spans, buffers = SelectiveScan.prepared(dt, a, 2)
        for span in spans:
            decay, h = SelectiveScan.inflow(dt[:, span], x[:, span], b[:, span], a, buffers)
            added = h[:, :, 0]
            for i in range(1, SelectiveScan.CHUNK):
                added = torch.addcmul(h[:, :, i], decay[:, :, i], added)
            over = (by_chunk(dt[:, span]).sum(2).unsqueeze(-2) * a).exp_()
            starts = []
            for new, kept in zip(added.unbind(1), over.unbind(1), strict=True):
                starts.append(state)
                state = torch.addcmul(new, kept, state)
            kept_starts.append(torch.stack(starts, 1))
            SelectiveScan.scan(decay, h, kept_starts[-1])
            out.append((c[:, span].unsqueeze(-2) @ h.flatten(1, 2)).squeeze(-2))
        ctx.save_for_backward(dt, x, b, c, a, *kept_starts)
        return torch.cat(out, 1)

    @staticmethod
    def backward(ctx, dy: Tensor):
        """With g_t = dL/dh_t = dy_t c_t + exp(dt_{t+1} a) ∘ g_{t+1}, scanned from the end."""
        dt, x, b, c, a, *kept_starts = ctx.saved_tensors
        d_dt, d_x, d_b, d_c, d_a = (torch.zeros_like(t) for t in (dt, x, b, c, a))
        spans, buffers = SelectiveScan.prepared(dt, a, 3)
        back = torch.zeros_like(kept_starts[0][:, 0])  # what the span after hands back
        for span, starts in reversed(list(zip(spans, kept_starts, strict=True))):
            step = dt[:, span]
            decay, h = SelectiveScan.inflow(step, x[:, span], b[:, span], a, buffers)
            SelectiveScan.scan(decay, h, starts)
            d_c[:, span] = (h.flatten(1, 2) @ dy[:, span].unsqueeze(-1)).squeeze(-1)
            g = by_chunk(buffers[2][:, : step.shape[1]])
            torch.mul(by_chunk(dy[:, span]).unsqueeze(-2), by_chunk(c[:, span]).unsqueeze(-1), out=g)
            back = SelectiveScan.scan_back(decay, g, step, a, back)
            flat = g.flatten(1, 2)  # (b, s, n, e)
            d_b[:, span] = (flat @ (step * x[:, span]).unsqueeze(-1)).squeeze(-1)
            d_inflow = (b[:, span].unsqueeze(-2) @ flat).squeeze(-2)
            g.mul_(decay)[:, :, 1:].mul_(h[:, :, :-1])
            g[:, :, 0].mul_(starts)  # now dL/d(dt a)
            d_a += torch.mul(flat, step.unsqueeze(-2), out=h.flatten(1, 2)).sum((0, 1))
            d_dt[:, span] = flat.mul_(a).sum(-2) + d_inflow * x[:, span]
            d_x[:, span] = d_inflow * step
        return d_dt, d_x, d_b, d_c, d_a

    @staticmethod
    def prepared(dt: Tensor, a: Tensor, n: int) -> tuple[list[slice], list[Tensor]]:
        """The spans, and `n` buffers that hold the states of one."""
        most = SelectiveScan.ON_CPU if dt.device.type == "cpu" else SelectiveScan.ON_GPU
        chunks = max(1, most // (dt.shape[0] * a.numel() * SelectiveScan.CHUNK))
        size = min(chunks * SelectiveScan.CHUNK, dt.shape[1])
        return [slice(i, i + size) for i in range(0, dt.shape[1], size)], [dt.new_empty(dt.shape[0], size, *a.shape) for _ in range(n)]

    @staticmethod
    def inflow(dt: Tensor, x: Tensor, b: Tensor, a: Tensor, buffers: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Each position's decay, and what it adds to the state: (b, chunks, CHUNK, n, e) both, in the first two buffers."""
        decay, h = (buffer[:, : dt.shape[1]] for buffer in buffers[:2])
        torch.mul(dt.unsqueeze(-2), a, out=decay).exp_()
        torch.mul((dt * x).unsqueeze(-2), b.unsqueeze(-1), out=h)
        return by_chunk(decay), by_chunk(h)

    @staticmethod
    def scan(decay: Tensor, h: Tensor, starts: Tensor) -> None:
        """Turns what each position adds into the states, in place."""
        before = starts
        for kept, state in zip(decay.unbind(2), h.unbind(2), strict=True):
            before = state.addcmul_(kept, before)

    @staticmethod
    def scan_back(decay: Tensor, g: Tensor, dt: Tensor, a: Tensor, back: Tensor) -> Tensor:
        """Turns dL/dh of a span's own outputs into the whole dL/dh, in place; what it hands back to the span before."""
        added = g[:, :, -1]
        for i in range(SelectiveScan.CHUNK - 2, -1, -1):
            added = torch.addcmul(g[:, :, i], decay[:, :, i + 1], added)
        added = added * decay[:, :, 0]
        over = (by_chunk(dt).sum(2).unsqueeze(-2) * a).exp_()
        handed = []
        for new, kept in reversed(list(zip(added.unbind(1), over.unbind(1), strict=True))):
            handed.append(back)
            back = torch.addcmul(new, kept, back)
        after = g[:, :, -1].add_(torch.stack(handed[::-1], 1))
        for i in range(SelectiveScan.CHUNK - 2, -1, -1):
            after = g[:, :, i].addcmul_(decay[:, :, i + 1], after)
        return back


def by_chunk(t: Tensor) -> Tensor:
    """(b, s, …) → (b, chunks, CHUNK, …)"""
    return t.unflatten(1, (-1, SelectiveScan.CHUNK))
