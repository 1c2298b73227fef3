"""The model around a block, for transformers: embedding → n blocks → norm → head tied to the embedding. The block itself is in block.py.

There is no key-value cache: each step of a generation reads the whole text again.
"""

import torch
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .block import GAB, gab_config


class GABConfig(PretrainedConfig):
    model_type = "gab"

    def __init__(self, vocab_size=2048, hidden_size=128, num_hidden_layers=4, max_position_embeddings=256, **kwargs):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.max_position_embeddings = max_position_embeddings  # trained on; longer texts are extrapolation
        kwargs["use_cache"] = False
        super().__init__(**kwargs)


class GABForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = GABConfig
    base_model_prefix = ""
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__(config)
        width, depth = config.hidden_size, config.num_hidden_layers
        with torch.device("cpu"):  # real, whatever loads it: buffers that are not saved are computed here
            self.embedding = nn.Embedding(config.vocab_size, width)
            self.blocks = nn.ModuleList(GAB(width, (i, depth), device=None, dtype=None, **gab_config) for i in range(depth))
            self.norm = nn.RMSNorm(width, eps=1e-6)
        self._unsaved = {
            module: {name: module._buffers[name].clone() for name in module._non_persistent_buffers_set if module._buffers[name] is not None}
            for module in self.modules() if module._non_persistent_buffers_set}
        self.post_init()

    def _init_weights(self, module):
        """Weights come from the file; what is not in it is put back."""
        for name, value in self._unsaved.get(module, {}).items():
            module._buffers[name].data.copy_(value)

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, input_ids, attention_mask=None, labels=None, **kwargs):
        """(b, l) → logits (b, l, vocab). Padding goes to the right: causality keeps it out of what stands before."""
        if attention_mask is not None and attention_mask.dim() == 2 and bool((attention_mask.diff(dim=-1) > 0).any()):
            raise ValueError("the texts are padded on the left: set tokenizer.padding_side = 'right'")
        X, Z = self.embedding(input_ids), {}
        for block in self.blocks:
            X, Z = block(X, **Z)
        logits = self.norm(X) @ self.embedding.weight.T
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100)
        return CausalLMOutput(loss=loss, logits=logits)

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **kwargs):
        return {"input_ids": input_ids, "attention_mask": attention_mask}
