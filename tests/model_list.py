"""Well-known architectures with random weights, by name: what the tests of many models and the benchmarks trace.

``build(name)`` is a pair of a model and the inputs of its forward: a tuple, or a dictionary of keyword arguments. The
architectures of torchvision have their full widths and see small images; those of transformers are tiny, unless their
names tell a size. ``NAMES`` has the names of all, whether or not the package that they need is installed;
``package(name)`` is its name.
"""

import importlib
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import networks_attention
import torch
from torch import Tensor, nn

Inputs = tuple[Any, ...] | dict[str, Any]
Built = tuple[nn.Module, Inputs]


def build(name: str, **options: Any) -> Built:
    """The model of a name such as ``"torchvision/resnet18"``, in evaluation mode, and inputs."""
    source, kind = name.split("/", 1)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, inputs = BUILDERS[source](kind, **options)
    return model.eval(), inputs


def package(name: str) -> str:
    """The package that a model needs: torch, torchvision or transformers."""
    source = name.split("/")[0]
    return "torch" if source == "plain" else source


def installed(name: str) -> bool:
    return find_spec(package(name)) is not None


# -------------------------------------------------------------------------------------------------------- torchvision

_CLASSIFIERS = """
    alexnet convnext_tiny convnext_small convnext_base convnext_large densenet121 densenet161 densenet169 densenet201
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
    efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l googlenet inception_v3 maxvit_t mnasnet0_5
    mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large regnet_x_400mf regnet_x_800mf
    regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf regnet_y_400mf regnet_y_800mf regnet_y_1_6gf
    regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf regnet_y_128gf resnet18 resnet34 resnet50 resnet101
    resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0
    shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_t swin_s swin_b swin_v2_t swin_v2_s
    swin_v2_b vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 vit_l_16 vit_l_32 vit_h_14
    wide_resnet50_2 wide_resnet101_2
"""
CLASSIFIERS = _CLASSIFIERS.split()
SEGMENTERS = [
    *(f"{head}_{body}" for head in ("deeplabv3", "fcn") for body in ("resnet50", "resnet101")),
    *("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"),
]
VIDEOS = ["mc3_18", "r2plus1d_18", "r3d_18"]
DETECTORS = {
    "fasterrcnn_resnet50_fpn": "rpn.head",
    "fasterrcnn_resnet50_fpn_v2": "rpn.head",
    "fasterrcnn_mobilenet_v3_large_fpn": "rpn.head",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "rpn.head",
    "fcos_resnet50_fpn": "head",
    "keypointrcnn_resnet50_fpn": "rpn.head",
    "maskrcnn_resnet50_fpn": "rpn.head",
    "maskrcnn_resnet50_fpn_v2": "rpn.head",
    "retinanet_resnet50_fpn": "head",
    "retinanet_resnet50_fpn_v2": "head",
    "ssd300_vgg16": "head",
    "ssdlite320_mobilenet_v3_large": "head",
}
"""Detectors, and the part of each that sees the feature maps of its backbone."""
SIDES = {"alexnet": 64, "inception_v3": 80, "maxvit_t": 224, "ssd300_vgg16": 320, "ssdlite320_mobilenet_v3_large": 320}
"""Sides of images; 64 for segmentation and detection, 32 for all others."""
PATCHED = {"vit_b_16": 32, "vit_b_32": 64, "vit_l_16": 32, "vit_l_32": 64, "vit_h_14": 28}
"""Vision transformers are built for one side."""


class Detector(nn.Module):
    """The backbone and the dense head of a detector: all that comes before boxes are chosen by their values."""

    def __init__(self, detector: nn.Module, head: str) -> None:
        super().__init__()
        self.backbone, self.head = detector.get_submodule("backbone"), detector.get_submodule(head)

    def forward(self, x: Tensor) -> Any:
        return self.head(list(self.backbone(x).values()))


def torchvision(name: str) -> Built:
    options: dict[str, Any] = {"weights": None}
    side = SIDES.get(name) or PATCHED.get(name) or (64 if name in DETECTORS or name in SEGMENTERS else 32)
    if name in PATCHED:
        options["image_size"] = side
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = True
    if name in SEGMENTERS or name in DETECTORS:
        options |= {"weights_backbone": None, "num_classes": 5}
    if name in SEGMENTERS and not name.startswith("lraspp"):
        options["aux_loss"] = True
    model = import_torchvision().get_model(name, **options)
    if name in DETECTORS:
        model = Detector(model, DETECTORS[name])
    return model, (torch.randn(2, 3, *([8] if name in VIDEOS else []), side, side),)


def import_torchvision() -> Any:
    """``torchvision.models``, imported even where the compiled operators of the package do not load."""
    register = torch.library.register_fake

    def without_vision(op: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(op, str) and op.startswith("torchvision::"):
            return lambda function: function
        return register(op, *args, **kwargs)

    torch.library.register_fake = without_vision
    try:
        return importlib.import_module("torchvision.models")
    finally:
        torch.library.register_fake = register


# ------------------------------------------------------------------------------------------------------- transformers

SIZE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = {"vocab_size": 50, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TEXT = {**SIZE, **TOKENS, "max_position_embeddings": 40}
GROUPED = {**TEXT, "num_key_value_heads": 2, "head_dim": 8}
STATES = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}
IMAGE = {**SIZE, "image_size": 16, "patch_size": 4}
GPT = {**TOKENS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40}
BATCHED = {"experts_implementation": "batched_mm"}  # of mixtures; the usual one does not run in double precision
T5 = {"vocab_size": 50, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
BART = {
    **{**TEXT, "d_model": 32, "decoder_start_token_id": 1, "encoder_ffn_dim": 48, "decoder_ffn_dim": 40},
    **{f"{part}_{key}": n for part in ("encoder", "decoder") for key, n in (("layers", 2), ("attention_heads", 4))},
}
SPEECH = {
    **{**TEXT, "conv_dim": (16, 16), "conv_kernel": (10, 3), "conv_stride": (5, 2)},
    **{"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4},
}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
SWIN = {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4}

Entry = tuple[str, dict[str, Any]]


def of(kind: str, *tables: dict[str, Any], **more: Any) -> Entry:
    """A class of transformers and the arguments of its configuration."""
    return kind, {key: value for table in (*tables, more) for key, value in table.items()}


LANGUAGE = {
    "bert": of("BertForMaskedLM", TEXT),
    "bert_classifier": of("BertForSequenceClassification", TEXT),
    "roberta": of("RobertaForMaskedLM", TEXT),
    "distilbert": of("DistilBertForMaskedLM", TOKENS, dim=32, hidden_dim=48, n_layers=2, n_heads=4),
    "albert": of("AlbertForMaskedLM", TEXT, embedding_size=16),
    "electra": of("ElectraForMaskedLM", TEXT, embedding_size=16),
    "deberta_v2": of("DebertaV2ForMaskedLM", TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"]),
    "modernbert": of("ModernBertForMaskedLM", TEXT, cls_token_id=1, sep_token_id=2),
    "xlnet": of("XLNetLMHeadModel", TOKENS, d_model=32, n_layer=2, n_head=4, d_inner=48, use_mems_eval=False),
    "fnet": of("FNetForMaskedLM", TEXT),
    "gpt2": of("GPT2LMHeadModel", GPT),
    "gpt2_350m": of("GPT2LMHeadModel", n_embd=1024, n_layer=24, n_head=16),
    "gpt_neo": of("GPTNeoForCausalLM", TEXT, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]]),
    "gpt_neox": of("GPTNeoXForCausalLM", TEXT),
    "gptj": of("GPTJForCausalLM", GPT, rotary_dim=4),
    "codegen": of("CodeGenForCausalLM", GPT, rotary_dim=4),
    "opt": of("OPTForCausalLM", TEXT, ffn_dim=48, word_embed_proj_dim=32),
    "bloom": of("BloomForCausalLM", TOKENS, hidden_size=32, n_layer=2, n_head=4),
    "mpt": of("MptForCausalLM", TOKENS, d_model=32, n_layers=2, n_heads=4, max_seq_len=40),
    "falcon": of("FalconForCausalLM", TEXT),
    "llama": of("LlamaForCausalLM", GROUPED),
    "mistral": of("MistralForCausalLM", GROUPED, sliding_window=6),
    "qwen2": of("Qwen2ForCausalLM", GROUPED),
    "qwen3": of("Qwen3ForCausalLM", GROUPED),
    "qwen3_next": of(
        "Qwen3NextForCausalLM",
        GROUPED,
        layer_types=["linear_attention", "full_attention"],
        num_experts=0,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
    ),
    "gemma": of("GemmaForCausalLM", GROUPED),
    "gemma2": of("Gemma2ForCausalLM", GROUPED),
    "gemma3": of("Gemma3ForCausalLM", GROUPED),
    "phi": of("PhiForCausalLM", TEXT),
    "phi3": of("Phi3ForCausalLM", GROUPED),
    "olmo2": of("Olmo2ForCausalLM", GROUPED),
    "cohere": of("CohereForCausalLM", GROUPED),
    "stablelm": of("StableLmForCausalLM", GROUPED),
    "starcoder2": of("Starcoder2ForCausalLM", GROUPED),
    "glm": of("GlmForCausalLM", GROUPED),
    "granite": of("GraniteForCausalLM", GROUPED),
    "nemotron": of("NemotronForCausalLM", GROUPED),
    "smollm3": of("SmolLM3ForCausalLM", GROUPED),
    "mixtral": of("MixtralForCausalLM", GROUPED, BATCHED, num_local_experts=4),
    "qwen3_moe": of(
        "Qwen3MoeForCausalLM", GROUPED, BATCHED, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24
    ),
    "gpt_oss": of("GptOssForCausalLM", GROUPED, BATCHED, num_local_experts=4),
    "deepseek_v3": of(
        "DeepseekV3ForCausalLM",
        TEXT,
        BATCHED,
        q_lora_rank=16,
        kv_lora_rank=16,
        qk_rope_head_dim=4,
        qk_nope_head_dim=4,
        v_head_dim=8,
        n_routed_experts=4,
        n_group=1,
        topk_group=1,
        num_experts_per_tok=2,
        moe_intermediate_size=24,
        first_k_dense_replace=1,
    ),
    "mamba": of("MambaForCausalLM", STATES),
    "mamba2": of("Mamba2ForCausalLM", STATES, num_heads=8, head_dim=8, n_groups=2, chunk_size=8),
    "jamba": of("JambaForCausalLM", GROUPED, BATCHED, num_experts=2, attn_layer_period=2, attn_layer_offset=1),
    "recurrent_gemma": of("RecurrentGemmaForCausalLM", GROUPED, lru_width=32, num_hidden_layers=3),
    "rwkv": of("RwkvForCausalLM", SIZE, TOKENS, attention_hidden_size=32),
}
TRANSLATION = {
    "t5": of("T5ForConditionalGeneration", T5),
    "flan_t5": of("T5ForConditionalGeneration", T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "bart": of("BartForConditionalGeneration", BART),
    "mbart": of("MBartForConditionalGeneration", BART),
    "marian": of("MarianMTModel", BART),
    "pegasus": of("PegasusForConditionalGeneration", BART),
}
VISION = {
    "vit": of("ViTForImageClassification", IMAGE),
    "deit": of("DeiTForImageClassification", IMAGE),
    "beit": of("BeitForImageClassification", IMAGE, use_relative_position_bias=True),
    "dinov2": of("Dinov2ForImageClassification", IMAGE, mlp_ratio=2),
    "dinov2_swiglu": of("Dinov2ForImageClassification", IMAGE, mlp_ratio=2, use_swiglu_ffn=True),
    "swin": of("SwinForImageClassification", SWIN),
    "swinv2": of("Swinv2ForImageClassification", SWIN),
    "convnext": of("ConvNextForImageClassification", STAGES),
    "convnextv2": of("ConvNextV2ForImageClassification", STAGES),
    "resnet": of("ResNetForImageClassification", STAGES, embedding_size=8),
    "regnet": of("RegNetForImageClassification", STAGES, embedding_size=8, groups_width=4),
    "segformer": of(
        "SegformerForSemanticSegmentation", STAGES, num_attention_heads=[1, 2, 4, 4], decoder_hidden_size=16
    ),
    "poolformer": of("PoolFormerForImageClassification", STAGES),
    "mobilevit": of(
        "MobileViTForImageClassification",
        image_size=32,
        hidden_sizes=[24, 32, 40],
        neck_hidden_sizes=[8, 8, 16, 24, 24, 32, 64],
    ),
    "levit": of(
        "LevitForImageClassification",
        image_size=64,
        hidden_sizes=[32, 48, 64],
        num_attention_heads=[2, 3, 4],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
    ),
    "siglip_vision": of("SiglipVisionModel", IMAGE),
    "clip_vision": of("CLIPVisionModelWithProjection", IMAGE),
    "dpt": of(
        "DPTForDepthEstimation",
        IMAGE,
        num_hidden_layers=4,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        is_hybrid=False,
        readout_type="ignore",
    ),
}
OTHERS = {
    "clip": of("CLIPModel", text_config=TEXT, vision_config=IMAGE, projection_dim=20),
    "siglip": of("SiglipModel", text_config={**TEXT, "projection_size": 32}, vision_config=IMAGE),
    "whisper": of(
        "WhisperForConditionalGeneration", BART, num_mel_bins=8, max_source_positions=16, max_target_positions=20
    ),
    "wav2vec2": of("Wav2Vec2ForCTC", SPEECH),
    "hubert": of("HubertForCTC", SPEECH),
    "patchtst": of(
        "PatchTSTForPrediction",
        num_input_channels=3,
        context_length=16,
        patch_length=4,
        patch_stride=4,
        d_model=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        prediction_length=5,
    ),
}
TRANSFORMERS = LANGUAGE | TRANSLATION | VISION | OTHERS
EAGER = ("bert", "gpt2", "llama", "mistral", "t5", "bart", "vit", "whisper")
"""Those that are also built with attention written out, beside torch's own function."""


def transformers(name: str, **options: Any) -> Built:
    name, _, attention = name.partition("-")
    if find_spec("torchvision"):
        import_torchvision()  # which transformers imports if it is there
    kind = getattr(importlib.import_module("transformers"), TRANSFORMERS[name][0])
    config = kind.config_class(**TRANSFORMERS[name][1], **options)
    if attention:
        config._attn_implementation = attention
    return awake(kind(config)), arguments(name, config)


def awake(model: nn.Module) -> nn.Module:
    """A model whose output depends on all that it stores, which hardly happens with the usual small initial weights."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) * (
                0.3 if parameter.dim() < 2 else 0.8 / parameter.shape[-1] ** 0.5
            )
    return model


def arguments(name: str, config: Any) -> dict[str, Tensor]:
    """Keyword arguments of the forward of a model of transformers."""
    tokens, answer = torch.arange(16).reshape(2, 8) % 43 + 3, torch.arange(12).reshape(2, 6) % 43 + 3
    if name in TRANSLATION:
        return {"input_ids": tokens, "decoder_input_ids": answer}
    if name == "whisper":
        return {"input_features": torch.randn(2, 8, 32), "decoder_input_ids": answer}
    if name in ("wav2vec2", "hubert"):
        return {"input_values": torch.randn(2, 400)}
    if name == "patchtst":
        return {"past_values": torch.randn(2, 16, 3)}
    text = {} if name in VISION else {"input_ids": tokens}
    side = getattr(getattr(config, "vision_config", config), "image_size", 64)
    return text if name in LANGUAGE else {**text, "pixel_values": torch.randn(2, 3, side, side)}


# ---------------------------------------------------------------------------------------------------------------- all


def plain(name: str) -> Built:
    return networks_attention.NETWORKS[name]()


BUILDERS: dict[str, Callable[..., Built]] = {"plain": plain, "torchvision": torchvision, "transformers": transformers}
KINDS = {
    "plain": list(networks_attention.NETWORKS),
    "torchvision": [*CLASSIFIERS, *SEGMENTERS, *DETECTORS, *VIDEOS],
    "transformers": [*TRANSFORMERS, *(f"{name}-eager" for name in EAGER)],
}
NAMES = [f"{source}/{kind}" for source, kinds in KINDS.items() for kind in kinds]
