"""Every mixer of the library once more, as its paper states it: one position at a time, nothing chunked. Slow, short, and on purpose dull.

Each function takes the unit (for its weights) and X (b, l, d) in float64, and returns what the unit must return.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def heads(x: Tensor, h: int) -> Tensor:
    """(b, l, h·d) → (b, l, h, d)"""
    return x.unflatten(-1, (h, -1))


def finish(unit: nn.Module, Y: Tensor, source: Tensor) -> Tensor:
    """Gate, then the output projection, where there is a gate. Y (b, l, e)"""
    gate = getattr(unit, "gate", None)
    return unit.out(gate(Y, source=source)[0] if gate is not None else Y)


def normed(unit: nn.Module, steps: list[Tensor]) -> Tensor:
    """l outputs (b, h, v) → (b, l, h·v), each head through the unit's norm."""
    return unit.norm(torch.stack(steps, 1))[0].flatten(2)


def convolved(conv: nn.Module | None, X: Tensor) -> Tensor:
    if conv is None:
        return X
    rows = []
    for t in range(X.shape[1]):
        total = conv.bias.clone()
        for back in range(conv.width):
            if t - back >= 0:
                total = total + X[:, t - back] * conv.weight[conv.width - 1 - back]
        rows.append(F.silu(total) if conv.activate else total.expand(X.shape[0], -1))
    return torch.stack(rows, 1)


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, window: int | None = None) -> Tensor:
    """q, k (b, l, h, ·), v (b, l, h, ·) → (b, l, h, ·), a row at a time."""
    rows = []
    for t in range(q.shape[1]):
        first = 0 if window is None else max(0, t - window + 1)
        score = torch.einsum("bhd,bshd->bsh", q[:, t], k[:, first : t + 1]) / math.sqrt(q.shape[-1])
        rows.append(torch.einsum("bsh,bshd->bhd", score.softmax(1), v[:, first : t + 1]))
    return torch.stack(rows, 1)


def rotated(position: nn.Module | None, x: Tensor) -> Tensor:
    """(b, l, h, d): each position as a rotation of complex numbers."""
    if position is None:
        return x
    half = x.shape[-1] // 2
    speed = position.base ** (-torch.arange(half, dtype=x.dtype) / half)
    rows = []
    for t in range(x.shape[1]):
        angle = t * speed
        turned = torch.complex(x[:, t, :, :half], x[:, t, :, half:]) * torch.complex(angle.cos(), angle.sin())
        rows.append(torch.cat([turned.real, turned.imag], -1))
    return torch.stack(rows, 1)


def attention(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, X)
    q, k, v = heads(u.q(x), u.heads), heads(u.k(x), u.kv_heads), heads(u.v(x), u.kv_heads)
    if u.q_norm is not None:
        q, k = u.q_norm(q)[0], u.k_norm(k)[0]
    q, k = rotated(u.position, q), rotated(u.position, k)
    k, v = (y.repeat_interleave(u.heads // u.kv_heads, 2) for y in (k, v))
    return finish(u, softmax_attention(q, k, v).flatten(2), X)


def sliding_window_attention(u: nn.Module, X: Tensor) -> Tensor:
    q, k, v = (heads(x, u.heads) for x in u.qkv(convolved(u.conv, X)).chunk(3, -1))
    return finish(u, softmax_attention(rotated(u.position, q), rotated(u.position, k), v, u.window).flatten(2), X)


def diff_attention(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, X)
    q, k, v = rotated(u.position, heads(u.q(x), 2 * u.heads)), rotated(u.position, heads(u.k(x), 2 * u.heads)), heads(u.v(x), u.heads)
    share = (u.share[0, 0] @ u.share[0, 1]).exp() - (u.share[1, 0] @ u.share[1, 1]).exp() + u.share_start
    h = u.heads
    Y = softmax_attention(q[:, :, :h], k[:, :, :h], v) - share * softmax_attention(q[:, :, h:], k[:, :, h:], v)
    return u.out(u.norm(Y)[0].flatten(2) * (1 - u.share_start))


def latent_attention(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, X)
    q, q_place = heads(u.q(x), u.heads).split([u.width, u.place], -1)
    latent, k_place = u.down(x).split([u.latent, u.place], -1)
    k, v = heads(u.up(u.norm(latent)[0]), u.heads).chunk(2, -1)
    k_place = rotated(u.position, k_place.unsqueeze(2)).expand(-1, -1, u.heads, -1)
    return u.out(softmax_attention(torch.cat([q, rotated(u.position, q_place)], -1), torch.cat([k, k_place], -1), v).flatten(2))


def retention(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, X)
    q, k, v = (heads(p(x), u.heads) for p in (u.q, u.k, u.v))
    q, k = rotated(u.position, q) / math.sqrt(q.shape[-1]), rotated(u.position, k)
    decay = 1 - 2 ** -torch.linspace(5, 12, u.heads, dtype=torch.float64)
    state, steps = torch.zeros(*k.shape[::2][:1], u.heads, k.shape[-1], v.shape[-1], dtype=X.dtype), []
    for t in range(X.shape[1]):
        state = decay[:, None, None] * state + k[:, t, :, :, None] * v[:, t, :, None]
        steps.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return finish(u, normed(u, steps), X)


def gla(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, X)
    q, k, v = (heads(p(x), u.heads) for p in (u.q, u.k, u.v))
    kept = (F.logsigmoid(heads(u.forget(x), u.heads)) / u.temperature).clamp(min=-10).exp()
    state, steps = torch.zeros(X.shape[0], u.heads, k.shape[-1], v.shape[-1], dtype=X.dtype), []
    for t in range(X.shape[1]):
        state = kept[:, t, :, :, None] * state + k[:, t, :, :, None] * v[:, t, :, None]
        steps.append(torch.einsum("bhk,bhkv->bhv", q[:, t] * q.shape[-1] ** -0.5, state))
    return finish(u, normed(u, steps), X)


def hgrn2(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, X)
    kept = (u.bound + (1 - u.bound) * u.forget(x).sigmoid()).clamp(min=5e-5)
    q, kept, v = heads(F.silu(u.q(x)), u.heads), heads(kept, u.heads), heads(u.v(x), u.heads)
    state, steps = torch.zeros(X.shape[0], u.heads, q.shape[-1], v.shape[-1], dtype=X.dtype), []
    for t in range(X.shape[1]):
        state = kept[:, t, :, :, None] * state + (1 - kept[:, t])[..., None] * v[:, t, :, None]
        steps.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return finish(u, normed(u, steps), X)


def mamba2(u: nn.Module, X: Tensor) -> Tensor:
    x, b, c = convolved(u.conv, u.x_b_c(X)).split([u.inner, u.state, u.state], -1)
    dt = F.softplus(u.dt(X) + u.dt_bias)
    x = heads(x, u.heads)
    state, steps = torch.zeros(X.shape[0], u.heads, x.shape[-1], u.state, dtype=X.dtype), []
    for t in range(X.shape[1]):
        a = (-dt[:, t] * u.a_log.exp()).exp()
        state = a[..., None, None] * state + (dt[:, t, :, None] * x[:, t])[..., None] * b[:, t, None, None]
        steps.append((state @ c[:, t, None, :, None]).squeeze(-1) + u.skip[:, None] * x[:, t])
    Y = torch.stack(steps, 1).flatten(2)
    if u.gate is not None:
        Y = u.gate(Y, source=X)[0]
    return u.out(u.norm(Y)[0])


def mamba(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, u.x(X))
    dt, b, c = u.dt_b_c(x).split(u.split, -1)
    dt = F.softplus(u.dt(dt))
    state, steps = torch.zeros(X.shape[0], x.shape[-1], b.shape[-1], dtype=X.dtype), []
    for t in range(X.shape[1]):
        state = (-dt[:, t, :, None] * u.a_log.exp()).exp() * state + (dt[:, t] * x[:, t])[..., None] * b[:, t, None]
        steps.append((state * c[:, t, None]).sum(-1) + u.skip * x[:, t])
    return finish(u, torch.stack(steps, 1), X)


def rg_lru(u: nn.Module, X: Tensor) -> Tensor:
    x = convolved(u.conv, u.x(X))
    state, steps = torch.zeros_like(x[:, 0]), []
    for t in range(X.shape[1]):
        blocks = x[:, t].unflatten(-1, (u.heads, -1))
        enter, recur = ((torch.einsum("bhi,hij->bhj", blocks, u.gates[i]) + u.gates_bias[i]).flatten(1).sigmoid() for i in (0, 1))
        a = (-8 * recur * F.softplus(u.decay)).exp()
        share = torch.sqrt(1 - a**2 + 1e-6) if t else torch.ones_like(a)
        state = a * state + share * enter * x[:, t]
        steps.append(state)
    return finish(u, torch.stack(steps, 1), X)


def delta(u: nn.Module, X: Tensor, qkv: tuple[Tensor, ...], beta: Tensor, a: Tensor) -> Tensor:
    q, k, v = (heads(x, u.heads) for x in qkv)
    q, k = F.normalize(q, dim=-1, eps=1e-6) / math.sqrt(q.shape[-1]), F.normalize(k, dim=-1, eps=1e-6)
    state, steps = torch.zeros(X.shape[0], u.heads, k.shape[-1], v.shape[-1], dtype=X.dtype), []
    for t in range(X.shape[1]):
        state = a[:, t, :, None, None] * state
        wrong = v[:, t] - torch.einsum("bhk,bhkv->bhv", k[:, t], state)
        state = state + beta[:, t, :, None, None] * k[:, t, :, :, None] * wrong[:, :, None]
        steps.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return finish(u, normed(u, steps), X)


def delta_net(u: nn.Module, X: Tensor) -> Tensor:
    beta = u.most * u.write(X).sigmoid()
    return delta(u, X, convolved(u.conv, u.qkv(X)).chunk(3, -1), beta, torch.ones_like(beta))


def gated_delta_net(u: nn.Module, X: Tensor) -> Tensor:
    a = (-u.a_log.exp() * F.softplus(u.forget(X) + u.dt_bias)).exp()
    return delta(u, X, convolved(u.conv, u.qkv(X)).split(u.split, -1), u.write(X).sigmoid(), a)


def mlstm(u: nn.Module, X: Tensor) -> Tensor:
    """With the paper's running maximum m, which the unit does without."""
    x = convolved(u.conv, X)
    q, k, v = heads(u.q(x), u.heads), heads(u.k(x), u.heads), heads(u.v(X), u.heads)
    enter, forget = (15 * torch.tanh(g(X) / 15) for g in (u.enter, u.forget))
    b, h = X.shape[0], u.heads
    memory, norm, most = torch.zeros(b, h, k.shape[-1], v.shape[-1], dtype=X.dtype), torch.zeros(b, h, k.shape[-1], dtype=X.dtype), X.new_zeros(b, h)
    steps = []
    for t in range(X.shape[1]):
        log_f = F.logsigmoid(forget[:, t])
        above = torch.maximum(log_f + most, enter[:, t])
        f, i = (log_f + most - above).exp(), (enter[:, t] - above).exp()
        memory = f[..., None, None] * memory + i[..., None, None] * k[:, t, :, :, None] * v[:, t, :, None]
        norm = f[..., None] * norm + i[..., None] * k[:, t]
        most = above
        asked = q[:, t] / math.sqrt(q.shape[-1])
        below = torch.maximum((asked * norm).sum(-1).abs(), (-most).exp())
        steps.append(torch.einsum("bhk,bhkv->bhv", asked, memory) / below[..., None])
    return finish(u, normed(u, steps), X)


def before(X: Tensor, t: int) -> Tensor:
    return X[:, t - 1] if t else torch.zeros_like(X[:, 0])


def rwkv6(u: nn.Module, X: Tensor) -> Tensor:
    state, steps, sources = torch.zeros(X.shape[0], u.heads, *u.bonus.shape[1:] * 2, dtype=X.dtype), [], []
    for t in range(X.shape[1]):
        x, gap = X[:, t], before(X, t) - X[:, t]
        low = torch.tanh(u.mix_in(x + gap * u.mix_base)).unflatten(-1, (5, -1))
        w, k, v, r, g = (x + gap * (u.mix[i] + low[:, i] @ u.mix_out[i]) for i in range(5))
        a = (-(u.decay + torch.tanh(u.decay_in(w)) @ u.decay_out).exp().clamp(max=10)).exp()
        r, k, v, a = (y.unflatten(-1, (u.heads, -1)) for y in (u.r(r), u.k(k), u.v(v), a))
        new = k[..., None] * v[:, :, None]
        steps.append(torch.einsum("bhk,bhkv->bhv", r, state + u.bonus[..., None] * new))
        state = a[..., None] * state + new
        sources.append(g)
    return finish(u, normed(u, steps), torch.stack(sources, 1))


def rwkv7(u: nn.Module, X: Tensor) -> Tensor:
    width = u.bonus.shape[1]
    state, outs = torch.zeros(X.shape[0], u.heads, width, width, dtype=X.dtype), []
    for t in range(X.shape[1]):
        r, w, k, v, a, g = (X[:, t] + (before(X, t) - X[:, t]) * mix for mix in u.mix)
        r, k, v = u.r(r), u.k(k), u.v(v)
        decay = (-torch.exp(-F.softplus(-(u.decay + u.decay_out(torch.tanh(u.decay_in(w))))) - 0.5)).exp()
        rate = (u.rate_bias + u.rate(a)).sigmoid()
        gone = F.normalize((k * u.removed).unflatten(-1, (u.heads, -1)), dim=-1, eps=1e-6)
        k = k * (1 + (rate - 1) * u.replaced)
        r, k, v, rate, decay = (y.unflatten(-1, (u.heads, -1)) for y in (r, k, v, rate, decay))
        # S (v, k) as in the paper: S ← S (diag(w) − κᵀ (a ∘ κ)) + vᵀ k
        change = torch.diag_embed(decay) - gone[..., :, None] * (rate * gone)[..., None, :]
        state = state @ change + v[..., :, None] * k[..., None, :]
        Y = u.norm((state @ r[..., None]).squeeze(-1))[0] + (r * k * u.bonus).sum(-1, keepdim=True) * v
        outs.append(u.out(Y.flatten(1) * u.gate_out(u.gate_in(g).sigmoid())))
    return torch.stack(outs, 1)


def ttt_linear(u: nn.Module, X: Tensor) -> Tensor:
    """The gradient comes from autograd, and every step's weights are written out."""
    x = convolved(u.conv, X)
    q, k, v = (heads(p(x), u.heads).transpose(1, 2) for p in (u.q, u.k, u.v))
    speed = u.speed(x).sigmoid().transpose(1, 2) * (u.rate / k.shape[-1])
    b, _, length, f = q.shape
    W, bias, steps = u.start.detach().expand(b, -1, -1, -1), u.start_bias.detach().expand(b, -1, -1, -1), []
    for start in range(0, length, u.batch):
        rows = range(start, min(start + u.batch, length))
        if u.position is not None:
            q_in, k_in = (rotated(u.position, y[:, :, start : rows[-1] + 1].transpose(1, 2)).transpose(1, 2) for y in (q, k))
        else:
            q_in, k_in = q[:, :, start : rows[-1] + 1], k[:, :, start : rows[-1] + 1]
        gradients = []
        for i, t in enumerate(rows):
            w0, b0 = W.clone().requires_grad_(), bias.clone().requires_grad_()
            with torch.enable_grad():
                z = k_in[:, :, i : i + 1].detach() @ w0 + b0
                y = k_in[:, :, i : i + 1].detach() + u.gain[:, 0].detach() * F.layer_norm(z, (f,), eps=1e-6) + u.shift[:, 0].detach()
                loss = (y - v[:, :, t : t + 1].detach()).square().sum() / 2
                gradients.append(torch.autograd.grad(loss, (w0, b0)))
            weight = (1 / (i + 1) + u.within[i]).clamp(min=0)
            w_t = W - weight * sum(speed[:, :, rows[j], None, None] * gradients[j][0] for j in range(i + 1))
            b_t = bias - weight * sum(speed[:, :, rows[j], None, None] * gradients[j][1] for j in range(i + 1))
            z = q_in[:, :, i : i + 1] @ w_t + b_t
            steps.append((q_in[:, :, i : i + 1] + u.gain[:, 0] * F.layer_norm(z, (f,), eps=1e-6) + u.shift[:, 0]).squeeze(2))
        if len(rows) == u.batch:
            W, bias = w_t.detach(), b_t.detach()
    Y = u.norm(torch.stack(steps, 1).flatten(2))[0]
    return finish(u, Y, X)


def hyena(u: nn.Module, X: Tensor) -> Tensor:
    v, first, second = convolved(u.conv, u.v_gates(X)).chunk(3, -1)
    v, h, rows = v * first, u.filter(X.shape[1]), []
    for t in range(X.shape[1]):
        rows.append(sum(h[back] * v[:, t - back] for back in range(t + 1)) + u.skip * v[:, t])
    return u.out(torch.stack(rows, 1) * second)


RECURRENCES: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    f.__name__: f for f in (
        attention, sliding_window_attention, diff_attention, latent_attention, retention, gla, hgrn2, mamba2, mamba, rg_lru,
        delta_net, gated_delta_net, mlstm, rwkv6, rwkv7, ttt_linear, hyena)}
