"""Our units against the models of `transformers`: their weights copied into ours, outputs compared in float32.

`python tests/blocks/test_parity.py` prints the table. Not in transformers, and shown by their recurrences alone: RetNet, RWKV-6 and -7,
TTT, GLA, DeltaNet without a gate, HGRN2, Hyena. Jamba here is dense; its parts are Llama's attention and Mamba.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.gab.model import load_block
from core.gab.units import UnitLibrary
from core.types import UnitTree

LIBRARY = UnitLibrary(Path(__file__).resolve().parent.parent.parent / "library" / "units")
D, LENGTH = 64, 75
Pair = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]   # theirs, ours


def u(unit: str, children: dict[str, UnitTree] | None = None, **config: object) -> UnitTree:
    return UnitTree(unit, config, children or {})


def ours(mixer: UnitTree, place: tuple[int, int] = (0, 2)) -> nn.Module:
    block, config = load_block(LIBRARY.compose(u("mixer_only", {"norm": u("rms_norm"), "mixer": mixer}), "parity"))
    return block(D, place, **config).root.mixer


def our_block(tree: UnitTree) -> nn.Module:
    block, config = load_block(LIBRARY.compose(tree, "parity"))
    return block(D, (0, 2), **config).root


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights away from their quiet start, so that every term counts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator)
    return module.eval()


def fill(module: nn.Module, **weights: Tensor) -> nn.Module:
    """Every parameter of ours is given, and fits; dots are written as double underscores."""
    given = {name.replace("__", "."): tensor.detach() for name, tensor in weights.items()}
    own = dict(module.named_parameters())
    assert sorted(given) == sorted(own)
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(given[name])
    return module


def rows(weight: Tensor, *parts: int) -> tuple[Tensor, ...]:
    return weight.split(list(parts), 0)


def taps(conv: nn.Conv1d) -> Tensor:
    """(channels, 1, width) → (width, channels)"""
    return conv.weight[:, 0].T


def causal(length: int) -> Tensor:
    return torch.full((length, length), -torch.inf).triu(1)[None, None]


def angles(width: int, base: float = 10000.0) -> tuple[Tensor, Tensor]:
    speed = base ** (-torch.arange(0, width, 2).float() / width)
    angle = torch.outer(torch.arange(LENGTH).float(), speed)
    angle = torch.cat([angle, angle], -1)[None]
    return angle.cos(), angle.sin()


def gpt2() -> Pair:
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block

    config = GPT2Config(n_embd=D, n_head=4, resid_pdrop=0, attn_pdrop=0, embd_pdrop=0, attn_implementation="sdpa")
    t = shaken(GPT2Block(config, layer_idx=0))
    block = our_block(u("pre_norm", {"norm": u("layer_norm"), "mixer": u("attention", heads=4, bias=True), "channel": u("mlp_gelu", ratio=4.0, bias=True)}))
    (q, k, v), (bq, bk, bv) = t.attn.c_attn.weight.T.chunk(3, 0), t.attn.c_attn.bias.chunk(3)
    fill(block, mixer_norm__weight=t.ln_1.weight, mixer_norm__bias=t.ln_1.bias, channel_norm__weight=t.ln_2.weight, channel_norm__bias=t.ln_2.bias,
         mixer__q__weight=q, mixer__q__bias=bq, mixer__k__weight=k, mixer__k__bias=bk, mixer__v__weight=v, mixer__v__bias=bv,
         mixer__out__weight=t.attn.c_proj.weight.T, mixer__out__bias=t.attn.c_proj.bias,
         channel__up__weight=t.mlp.c_fc.weight.T, channel__up__bias=t.mlp.c_fc.bias,
         channel__down__weight=t.mlp.c_proj.weight.T, channel__down__bias=t.mlp.c_proj.bias)
    return lambda X: first(t(X, attention_mask=causal(X.shape[1]))), lambda X: block(X)[0]


def llama() -> Pair:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

    config = LlamaConfig(hidden_size=D, num_attention_heads=4, num_key_value_heads=2, intermediate_size=168, rms_norm_eps=1e-6, attn_implementation="sdpa")
    t = shaken(LlamaDecoderLayer(config, 0))
    block = our_block(u("pre_norm", {"norm": u("rms_norm"), "mixer": u("attention", {"position": u("rotary")}, heads=4, kv_share=2),
                                     "channel": u("swiglu", ratio=168 / D)}))
    fill(block, mixer_norm__weight=t.input_layernorm.weight, channel_norm__weight=t.post_attention_layernorm.weight,
         mixer__q__weight=t.self_attn.q_proj.weight, mixer__k__weight=t.self_attn.k_proj.weight, mixer__v__weight=t.self_attn.v_proj.weight,
         mixer__out__weight=t.self_attn.o_proj.weight, channel__gate__weight=t.mlp.gate_proj.weight, channel__up__weight=t.mlp.up_proj.weight,
         channel__down__weight=t.mlp.down_proj.weight)
    return lambda X: first(t(X, attention_mask=causal(X.shape[1]), position_embeddings=angles(D // 4))), lambda X: block(X)[0]


def mamba() -> Pair:
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    t = shaken(MambaMixer(MambaConfig(hidden_size=D, state_size=8, num_hidden_layers=1), 0))
    m = ours(u("mamba", {"conv": u("short_conv"), "gate": u("silu_gate")}, state=8))
    x, z = t.in_proj.weight.chunk(2, 0)
    fill(m, x__weight=x, gate__project__weight=z, conv__weight=taps(t.conv1d), conv__bias=t.conv1d.bias, dt_b_c__weight=t.x_proj.weight,
         dt__weight=t.dt_proj.weight, dt__bias=t.dt_proj.bias, a_log=t.A_log, skip=t.D, out__weight=t.out_proj.weight)
    return lambda X: first(t(X)), lambda X: m(X)[0]


def mamba2() -> Pair:
    from transformers import Mamba2Config
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

    config = Mamba2Config(hidden_size=D, num_heads=4, head_dim=32, state_size=16, n_groups=1, layer_norm_epsilon=1e-6, chunk_size=32, num_hidden_layers=1)
    t = shaken(Mamba2Mixer(config, 0))
    m = ours(u("mamba2", {"conv": u("short_conv"), "norm": u("rms_norm"), "gate": u("silu_gate")}, heads=4, state=16))
    z, x_b_c, dt = rows(t.in_proj.weight, 2 * D, 2 * D + 32, 4)
    fill(m, gate__project__weight=z, x_b_c__weight=x_b_c, dt__weight=dt, dt_bias=t.dt_bias, a_log=t.A_log, skip=t.D, norm__weight=t.norm.weight,
         conv__weight=taps(t.conv1d), conv__bias=t.conv1d.bias, out__weight=t.out_proj.weight)
    return lambda X: first(t(X)), lambda X: m(X)[0]


def gated_deltanet() -> Pair:
    """Qwen3-Next's gated delta rule."""
    from transformers import Qwen3NextConfig
    from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

    config = Qwen3NextConfig(hidden_size=D, linear_num_value_heads=4, linear_num_key_heads=4, linear_key_head_dim=16, linear_value_head_dim=16,
                             rms_norm_eps=1e-6, num_hidden_layers=4)
    t = shaken(Qwen3NextGatedDeltaNet(config, 0))
    m = ours(u("gated_delta_net", {"conv": u("short_conv"), "norm": u("rms_norm"), "gate": u("silu_gate")}, heads=4))
    q, k, v, z = (part.flatten(0, 1) for part in t.in_proj_qkvz.weight.view(4, 64, D).split(16, 1))  # theirs lie head by head
    b, a = (part.flatten(0, 1) for part in t.in_proj_ba.weight.view(4, 2, D).split(1, 1))
    fill(m, qkv__weight=torch.cat([q, k, v]), gate__project__weight=z, write__weight=b, forget__weight=a, a_log=t.A_log, dt_bias=t.dt_bias,
         norm__weight=t.norm.weight, conv__weight=taps(t.conv1d), conv__bias=torch.zeros(3 * D), out__weight=t.out_proj.weight)
    return lambda X: first(t(X)), lambda X: m(X)[0]


def xlstm() -> Pair:
    from transformers import xLSTMConfig
    from transformers.models.xlstm import modeling_xlstm

    config = xLSTMConfig(hidden_size=D, num_heads=4, qk_dim_factor=0.5, v_dim_factor=1.0, norm_eps=1e-5, num_hidden_layers=1, mode="inference",
                         chunkwise_kernel="chunkwise--native_autograd", sequence_kernel="native_sequence__native", step_kernel="native")
    t = shaken(modeling_xlstm.xLSTMLayer(config))
    m = ours(u("mlstm", {"norm": u("layer_norm"), "gate": u("sigmoid_gate")}, heads=4, key_share=0.5))
    with torch.no_grad():  # their norm's gain differs by channel, ours is one a head: made alike
        t.multihead_norm.weight.copy_(t.multihead_norm.weight[: D // 4].repeat(4))
    fill(m, q__weight=t.q.weight, k__weight=t.k.weight, v__weight=t.v.weight, enter__weight=t.igate_preact.weight, enter__bias=t.igate_preact.bias,
         forget__weight=t.fgate_preact.weight, forget__bias=t.fgate_preact.bias, gate__project__weight=t.ogate_preact.weight,
         norm__weight=t.multihead_norm.weight[: D // 4], norm__bias=torch.zeros(D // 4), out__weight=t.out_proj.weight)
    return lambda X: first(t(X)), lambda X: m(X)[0]


def griffin() -> Pair:
    from transformers import RecurrentGemmaConfig
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRecurrentBlock

    config = RecurrentGemmaConfig(hidden_size=D, lru_width=D, num_attention_heads=4, conv1d_width=4, num_hidden_layers=3)
    t = RecurrentGemmaRecurrentBlock(config, 0)
    for p in t.parameters():
        nn.init.normal_(p, std=0.3)
    m = ours(u("rg_lru", {"conv": u("short_conv", activate=False), "gate": u("gelu_gate", bias=True)}, heads=4))
    r = t.rg_lru
    fill(m, x__weight=t.linear_x.weight, x__bias=t.linear_x.bias, gate__project__weight=t.linear_y.weight, gate__project__bias=t.linear_y.bias,
         conv__weight=taps(t.conv_1d), conv__bias=t.conv_1d.bias, gates=torch.stack([r.input_gate_weight, r.recurrent_gate_weight]),
         gates_bias=torch.stack([r.input_gate_bias, r.recurrent_gate_bias]), decay=r.recurrent_param, out__weight=t.linear_out.weight,
         out__bias=t.linear_out.bias)
    places = torch.arange(LENGTH)[None]
    return lambda X: first(t(X, places.expand(X.shape[0], -1), None, use_cache=False)), lambda X: m(X)[0]


def mla() -> Pair:
    from transformers import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention

    config = DeepseekV3Config(hidden_size=D, num_attention_heads=4, num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=32, qk_rope_head_dim=8,
                              qk_nope_head_dim=16, v_head_dim=16, rope_interleave=False, attn_implementation="sdpa")
    t = shaken(DeepseekV3Attention(config, 0))
    m = ours(u("latent_attention", {"norm": u("rms_norm"), "position": u("rotary")}, heads=4, latent_share=0.5))
    fill(m, q__weight=t.q_proj.weight, down__weight=t.kv_a_proj_with_mqa.weight, norm__weight=t.kv_a_layernorm.weight, up__weight=t.kv_b_proj.weight,
         out__weight=t.o_proj.weight)
    return lambda X: first(t(X, angles(8), causal(X.shape[1]))), lambda X: m(X)[0]


def diff_transformer() -> Pair:
    from transformers import DiffLlamaConfig
    from transformers.models.diffllama.modeling_diffllama import DiffLlamaAttention

    config = DiffLlamaConfig(hidden_size=D, num_attention_heads=4, num_key_value_heads=4, rms_norm_eps=1e-6, attn_implementation="sdpa")
    t = shaken(DiffLlamaAttention(config, 1))
    m = ours(u("diff_attention", {"position": u("rotary"), "norm": u("rms_norm")}, heads=2), place=(1, 2))
    v = t.v_proj.weight.view(2, 2, D // 4, D).transpose(0, 1).flatten(0, 2)  # theirs pair head j with head j + 2
    share = torch.stack([torch.stack([t.lambda_q1, t.lambda_k1]), torch.stack([t.lambda_q2, t.lambda_k2])])
    fill(m, q__weight=t.q_proj.weight, k__weight=t.k_proj.weight, v__weight=v, out__weight=t.o_proj.weight, share=share, norm__weight=torch.ones(D // 2))
    return lambda X: first(t(X, angles(D // 4), causal(X.shape[1]))), lambda X: m(X)[0]


def first(answer: object) -> Tensor:
    return answer[0] if isinstance(answer, tuple) else answer


PAIRS = (gpt2, llama, mamba, mamba2, gated_deltanet, xlstm, griffin, mla, diff_transformer)


def worst(pair: Callable[[], Pair]) -> float:
    """The largest difference over two sequences, as a share of the largest output."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, mine = pair()
    X = torch.randn(2, LENGTH, D)
    with torch.no_grad():
        a, b = theirs(X), mine(X)
    return ((a - b).abs().max() / a.abs().max()).item()


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.__name__)
def test_the_same_weights_give_the_same_outputs(pair: Callable[[], Pair]):
    assert worst(pair) < 2e-5


if __name__ == "__main__":
    print(f"{'design':18}{'reference form':46}{'largest error':>14}")
    for pair in PAIRS:
        print(f"{pair.__name__:18}{'transformers, float32':46}{worst(pair):>14.1e}")
