"""Chunked forms of linear recurrences: matrix products inside a chunk, one state handed from chunk to chunk.

Both compute o_t = S_tᵀ q_t with S_t = decay_t ∘ S_{t−1} + k_t v_tᵀ, after the chunkwise form of Yang et al. 2023 (GLA,
arXiv 2312.06635, section 4) and of state space duality (Dao & Gu 2024, arXiv 2405.21060, section 6).
Shapes: b batch, h heads, n chunks, c positions in a chunk, k key width, v value width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_chunks(x: Tensor, chunk: int) -> Tensor:
    """(b, h, l, …) → (b, h, n, c, …), zeros appended."""
    length = x.shape[2]
    padding = -length % chunk
    if padding:
        x = torch.cat([x, x.new_zeros(*x.shape[:2], padding, *x.shape[3:])], dim=2)
    return x.unflatten(2, (-1, chunk))


def states_before(over: Tensor, added: Tensor) -> Tensor:
    """The state that each chunk starts from: over (b, h, n, k or 1, 1) of it is kept by a chunk, added (b, h, n, k, v) → (b, h, n, k, v)."""
    state, states = torch.zeros_like(added[:, :, 0]), []
    for kept, new in zip(over.unbind(2), added.unbind(2), strict=True):  # unbind: one backward for all, where indexing has one for each
        states.append(state)
        state = kept * state + new
    return torch.stack(states, 2)


def scalar_decay_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, chunk: int = 64) -> Tensor:
    """One decay a head and step: q, k (b, h, l, k), v (b, h, l, v), log_decay (b, h, l) ≤ 0 → (b, h, l, v).

    Decays between two positions are exponentials of differences ≤ 0, so nothing overflows, however fast the decay.
    """
    length = q.shape[2]
    q, k, v = (to_chunks(x, chunk) for x in (q, k, v))  # (b, h, n, c, ·)
    g = to_chunks(log_decay, chunk).cumsum(-1)  # (b, h, n, c): log decay since the chunk's start
    gap = g.unsqueeze(-1) - g.unsqueeze(-2)  # (b, h, n, c, c)
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).triu(1)
    within = (q @ k.transpose(-1, -2)) * gap.masked_fill(later, -torch.inf).exp()  # (b, h, n, c, c)
    out = within @ v  # (b, h, n, c, v)
    to_end = (g[..., -1:] - g).exp().unsqueeze(-1)  # (b, h, n, c, 1)
    added = (k * to_end).transpose(-1, -2) @ v  # (b, h, n, k, v): what each chunk adds to the state
    over = g[..., -1].exp()[..., None, None]  # (b, h, n, 1, 1): what each chunk keeps of it
    out = out + (q * g.exp().unsqueeze(-1)) @ states_before(over, added)
    return out.flatten(2, 3)[:, :, :length]


def vector_decay_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, bonus: Tensor | None = None, chunk: int = 16) -> Tensor:
    """One decay a key channel and step: q, k, log_decay (b, h, l, k), v (b, h, l, v) → (b, h, l, v).

    With `bonus` u (h, k), the query meets the state before the step, and the step's own key weighted by u: RWKV's
    o_t = (S_{t−1} + (u ∘ k_t) v_tᵀ)ᵀ q_t.
    The decay between two positions factors into one exponential on q and one on k; measured from the chunk's middle both
    stay in float32's range as long as log_decay ≥ −10 (chunk/2 · 10 = 80 < 88).
    """
    length = q.shape[2]
    q, k, v, w = (to_chunks(x, chunk) for x in (q, k, v, log_decay))  # (b, h, n, c, ·)
    g = w.cumsum(-2)  # (b, h, n, c, k)
    reach = g if bonus is None else g - w  # up to which step the query's state has decayed
    middle = g[..., chunk // 2 - 1 : chunk // 2, :]  # (b, h, n, 1, k)
    within = (q * (reach - middle).exp()) @ (k * (middle - g).exp()).transpose(-1, -2)  # (b, h, n, c, c)
    out = within.tril(0 if bonus is None else -1) @ v
    if bonus is not None:
        out = out + (q * bonus[:, None, None] * k).sum(-1, keepdim=True) * v
    end = g[..., -1:, :]  # (b, h, n, 1, k)
    added = (k * (end - g).exp()).transpose(-1, -2) @ v  # (b, h, n, k, v)
    over = end.exp().transpose(-1, -2)  # (b, h, n, k, 1)
    out = out + (q * reach.exp()) @ states_before(over, added)
    return out.flatten(2, 3)[:, :, :length]


def linear_scan(log_decay: Tensor, x: Tensor, chunk: int = 32) -> Tensor:
    """h_t = exp(log_decay_t) · h_{t−1} + x_t, element by element: log_decay ≤ 0 and x (b, l, …) → (b, l, …).

    Two levels: the positions of a chunk in turn, for all chunks at once; then the chunks. chunk + length/chunk steps, and nothing
    is divided, so no decay is too fast.
    """
    length = x.shape[1]
    padding = [0] * (2 * (x.dim() - 2)) + [0, -length % chunk]
    w, x = (F.pad(t, padding).unflatten(1, (-1, chunk)) for t in (log_decay, x))  # (b, n, c, …)
    local, state = [], 0.0
    for a_i, x_i in zip(w.exp().unbind(2), x.unbind(2), strict=True):
        state = a_i * state + x_i
        local.append(state)
    state, states = torch.zeros_like(state[:, 0]), []  # (b, …)
    for over, last in zip(w.sum(2).exp().unbind(1), local[-1].unbind(1), strict=True):  # what each chunk keeps, and adds
        states.append(state)
        state = over * state + last
    out = torch.stack(local, 2) + w.cumsum(2).exp() * torch.stack(states, 1).unsqueeze(2)
    return out.flatten(1, 2)[:, :length]


def causal_window(x: Tensor, width: int) -> Tensor:
    """(b, h, l, d) → (b, h, n, 2·width, d): each chunk of `width` positions behind the one before it."""
    own = to_chunks(x, width)
    return torch.cat([F.pad(own, (0, 0, 0, 0, 1, 0))[:, :, :-1], own], dim=3)
