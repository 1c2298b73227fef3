"""Chunked forms of the delta rule: the state is corrected by what it answers to the key before the new value is written.

Inside a chunk the corrections depend on each other: a unit lower triangular system, solved for all chunks at once (the WY form of
Yang et al. 2024, arXiv 2406.06484, section 3; with decays: arXiv 2412.06464, section 3.2). Shapes as in _scan.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from library.units._scan import to_chunks


def gated_delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor, chunk: int = 64) -> Tensor:
    """S_t = a_t S_{t−1} + β_t k_t (v_t − a_t S_{t−1}ᵀ k_t)ᵀ, o_t = S_tᵀ q_t, with one decay a_t = exp(log_decay) a head and step.

    q, k (b, h, l, k), keys of norm 1; v (b, h, l, v); beta in 0–2 and log_decay ≤ 0 (b, h, l) → (b, h, l, v).
    """
    length = q.shape[2]
    chunk = min(chunk, max(16, length))
    q, k, v = (to_chunks(x, chunk) for x in (q, k, v))  # (b, h, n, c, ·)
    beta, g = to_chunks(beta, chunk).unsqueeze(-1), to_chunks(log_decay, chunk).cumsum(-1)  # (b, h, n, c, 1), (b, h, n, c)
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).triu(1)
    since = (g.unsqueeze(-1) - g.unsqueeze(-2)).masked_fill(later, -torch.inf).exp()  # (b, h, n, c, c): decay between two positions
    answered = (beta * k @ k.transpose(-1, -2) * since).tril(-1)  # what earlier writes of the chunk answer to a key
    right = torch.cat([beta * v, beta * k * g.exp().unsqueeze(-1)], -1)
    solved = solve_unit(answered, right)  # (I + A)⁻¹
    new, from_state = solved.split([v.shape[-1], k.shape[-1]], -1)  # writes = new − from_state · S
    to_end = k * (g[..., -1:] - g).exp().unsqueeze(-1)  # (b, h, n, c, k)
    over = g[..., -1].exp()[..., None, None]
    state, states, writes = new.new_zeros(*k.shape[:2], k.shape[-1], v.shape[-1]), [], []
    for fresh, old, end, kept in zip(*(x.unbind(2) for x in (new, from_state, to_end.transpose(-1, -2), over)), strict=True):
        states.append(state)
        writes.append(fresh - old @ state)
        state = kept * state + end @ writes[-1]
    within = q @ k.transpose(-1, -2) * since
    out = within @ torch.stack(writes, 2) + (q * g.exp().unsqueeze(-1)) @ torch.stack(states, 2)
    return out.flatten(2, 3)[:, :, :length]


def vector_delta_rule(q: Tensor, k: Tensor, v: Tensor, asked: Tensor, answer: Tensor, log_decay: Tensor, chunk: int = 16) -> Tensor:
    """S_t = diag(w_t) S_{t−1} + answer_t (S_{t−1}ᵀ asked_t)ᵀ + k_t v_tᵀ, o_t = S_tᵀ q_t: one decay a key channel, a free rank-one change.

    q, k, asked, answer, log_decay (b, h, l, k), v (b, h, l, v) → (b, h, l, v). As in vector_decay_attention, log_decay ≥ −10.
    (RWKV-7, Peng et al. 2025, arXiv 2503.14456, eq. 16 and appendix on chunks.)
    """
    length, values = q.shape[2], v.shape[-1]
    q, k, v, asked, answer, w = (to_chunks(x, chunk) for x in (q, k, v, asked, answer, log_decay))  # (b, h, n, c, ·)
    g = w.cumsum(-2)
    before = g - w  # log decay up to the position before
    middle = g[..., chunk // 2 - 1 : chunk // 2, :]  # exponents are measured from the chunk's middle, to stay in range
    out_of, into = (middle - g).exp(), (before - middle).exp()
    keys = torch.cat([k * out_of, answer * out_of], -2)  # (b, h, n, 2c, k)
    on_asked = (asked * into) @ keys.transpose(-1, -2)  # (b, h, n, c, 2c)
    on_query = (q * (g - middle).exp()) @ keys.transpose(-1, -2)
    right = torch.cat([on_asked[..., :chunk].tril(-1) @ v, asked * before.exp()], -1)
    solved = solve_unit(-on_asked[..., chunk:].tril(-1), right)
    heard, from_state = solved.split([values, k.shape[-1]], -1)  # what S answers: heard + from_state · S
    end = g[..., -1:, :]
    to_end = torch.cat([k, answer], -2) * (end - torch.cat([g, g], -2)).exp()  # (b, h, n, 2c, k)
    over = end.exp().transpose(-1, -2)  # (b, h, n, k, 1)
    state, states, writes = v.new_zeros(*k.shape[:2], k.shape[-1], values), [], []
    for value, new, old, ends, kept in zip(*(x.unbind(2) for x in (v, heard, from_state, to_end.transpose(-1, -2), over)), strict=True):
        states.append(state)
        writes.append(torch.cat([value, new + old @ state], -2))  # (b, h, 2c, v)
        state = kept * state + ends @ writes[-1]
    seen = torch.cat([on_query[..., :chunk].tril(), on_query[..., chunk:].tril()], -1)
    out = seen @ torch.stack(writes, 2) + (q * g.exp()) @ torch.stack(states, 2)
    return out.flatten(2, 3)[:, :, :length]


def solve_unit(below: Tensor, right: Tensor) -> Tensor:
    """(I + below)⁻¹ right, of what lies below the diagonal (…, c, c); in float32 at least, since the solver knows no less."""
    exact = torch.promote_types(right.dtype, torch.float32)
    return torch.linalg.solve_triangular(below.to(exact), right.to(exact), upper=False, unitriangular=True)
