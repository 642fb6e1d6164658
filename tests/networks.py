"""The networks that the tests trace: small ones, each with one difficulty, and four well-known classifiers."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


# ---------------------------------------------------------------------------------------------- building blocks


class Elementwise(nn.Module):
    """An elementwise function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def extra_repr(self) -> str:
        return self.function.__name__

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Residual(nn.Module):
    """The sum of a body and a shortcut, by default the identity."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return (x if self.shortcut is None else self.shortcut(x)) + self.body(x)


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[..., nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, batch norm and an in-place activation, if any."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    tail = [] if activation is None else [activation(inplace=True)]
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), *tail)


def norm_conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Batch norm, in-place ReLU and convolution without bias: the pre-activation order."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), convolution)


def pooled(channels: int, outputs: int) -> nn.Sequential:
    """Global average pooling and a linear head."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs))


def convolutional(dims: int, norm: Callable[[int], nn.Module] | None = None) -> nn.Sequential:
    """A strided and a dilated convolution, each with its norm and ReLU, adaptive pooling and a linear head."""
    convolution = getattr(nn, f"Conv{dims}d")
    layers: list[nn.Module] = []
    for inputs, outputs, options in ((3, 6, {"stride": 2, "padding": 1}), (6, 8, {"dilation": 2, "padding": 2})):
        layers += [convolution(inputs, outputs, 3, **options), *([norm(outputs)] if norm else []), nn.ReLU()]
    pool = getattr(nn, f"AdaptiveAvgPool{dims}d")(2)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(8 * 2**dims, 5))


# --------------------------------------------------------------------------------------------- large classifiers


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = conv_norm(inputs, outputs, 3, stride)
        self.conv2, self.bn2 = conv_norm(outputs, outputs, 3, activation=None)
        projects = stride > 1 or inputs != outputs
        self.downsample = conv_norm(inputs, outputs, 1, stride, activation=None) if projects else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet18(nn.Module):
    """ResNet-18, with torchvision's names."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = conv_norm(3, 64, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class DenseLayer(nn.Sequential):
    """The bottleneck of a dense block: it reads every feature map so far and makes `growth` new ones."""

    def __init__(self, inputs: int, growth: int) -> None:
        layers = (*norm_conv(inputs, 4 * growth), *norm_conv(4 * growth, growth, 3))
        names = ("norm1", "relu1", "conv1", "norm2", "relu2", "conv2")
        super().__init__(OrderedDict(zip(names, layers, strict=True)))

    def forward(self, features: list[Tensor]) -> Tensor:
        return super().forward(torch.cat(features, 1))


class DenseBlock(nn.ModuleDict):
    """Dense layers, each of which reads the outputs of all before it."""

    def __init__(self, inputs: int, depth: int, growth: int) -> None:
        super().__init__({f"denselayer{i + 1}": DenseLayer(inputs + i * growth, growth) for i in range(depth)})

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNet121(nn.Module):
    """DenseNet-121, with torchvision's names."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(zip(("conv0", "norm0", "relu0"), conv_norm(3, 64, 7, 2), strict=True))
        )
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        width = 64
        for i, depth in enumerate((6, 12, 24, 16), 1):
            self.features.add_module(f"denseblock{i}", DenseBlock(width, depth, 32))
            width += 32 * depth
            if i < 4:
                layers = (*norm_conv(width, width // 2), nn.AvgPool2d(2, 2))
                transition = OrderedDict(zip(("norm", "relu", "conv", "pool"), layers, strict=True))
                self.features.add_module(f"transition{i}", nn.Sequential(transition))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class InvertedResidual(nn.Module):
    """MobileNet's block: widen, convolve depthwise, narrow linearly; with a shortcut where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.use_res_connect = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([conv_norm(inputs, hidden, activation=nn.ReLU6)] if expansion > 1 else []),
            conv_norm(hidden, hidden, 3, stride, groups=hidden, activation=nn.ReLU6),
            *conv_norm(hidden, outputs, activation=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNet-v2 of width 1, with torchvision's names."""

    # expansion, width, blocks and first stride of each stage
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        features: list[nn.Module] = [conv_norm(3, 32, 3, 2, activation=nn.ReLU6)]
        inputs = 32
        for expansion, outputs, blocks, stride in self.stages:
            for i in range(blocks):
                features.append(InvertedResidual(inputs, outputs, 1 if i else stride, expansion))
                inputs = outputs
        self.features = nn.Sequential(*features, conv_norm(inputs, 1280, activation=nn.ReLU6))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class ShuffleUnit(nn.Module):
    """ShuffleNet's block: two branches of half the width, the first one empty at stride 1, then a channel shuffle."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        entry = inputs if stride > 1 else half
        downsampling = (*conv_norm(inputs, inputs, 3, stride, inputs, None), *conv_norm(inputs, half))
        self.stride = stride
        self.branch1 = nn.Sequential(*(downsampling if stride > 1 else ()))
        self.branch2 = nn.Sequential(
            *conv_norm(entry, half), *conv_norm(half, half, 3, stride, half, None), *conv_norm(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            out = torch.cat((self.branch1(x), self.branch2(x)), 1)
        else:
            kept, changed = x.chunk(2, 1)
            out = torch.cat((kept, self.branch2(changed)), 1)
        batch, channels, height, width = out.shape
        out = out.view(batch, 2, channels // 2, height, width)
        return out.transpose(1, 2).contiguous().view(batch, channels, height, width)


class ShuffleNetV2(nn.Module):
    """ShuffleNet-v2 x1.0, with torchvision's names."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = conv_norm(3, 24, 3, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stage2 = self.stage(24, 116, 4)
        self.stage3 = self.stage(116, 232, 8)
        self.stage4 = self.stage(232, 464, 4)
        self.conv5 = conv_norm(464, 1024)
        self.fc = nn.Linear(1024, num_classes)

    @staticmethod
    def stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
        return nn.Sequential(
            ShuffleUnit(inputs, outputs, 2), *(ShuffleUnit(outputs, outputs, 1) for _ in range(depth - 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean([2, 3]))


# ------------------------------------------------------------------------------------------------ small networks


def mlp(activation: nn.Module, widths: Sequence[int] = (3, 8, 8, 2), bias: bool = True) -> nn.Sequential:
    """Linear layers with a copy of the activation between them."""
    linears = [nn.Linear(inputs, outputs, bias) for inputs, outputs in pairwise(widths)]
    return nn.Sequential(linears[0], *chain.from_iterable((copy.deepcopy(activation), layer) for layer in linears[1:]))


class Siren(nn.Module):
    """An MLP whose hidden layers are sin(omega * linear(x))."""

    def __init__(self, widths: Sequence[int] = (2, 16, 16, 1), omega: float = 30.0) -> None:
        super().__init__()
        self.omega = omega
        self.hidden = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths[:-1]))
        self.head = nn.Linear(widths[-2], widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = torch.sin(self.omega * layer(x))
        return self.head(x)


def siren(widths: Sequence[int] = (2, 16, 16, 1), omega: float = 30.0) -> Siren:
    """A SIREN."""
    return Siren(widths, omega)


def cnn() -> nn.Sequential:
    """Two convolutions with batch norm, a max pooling between them, and two linear layers, for 1x8x8 images."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()),
        *mlp(nn.ReLU(), (8 * 4 * 4, 10, 4)),
    )


def cnn1d() -> nn.Sequential:
    """A network of strided and dilated 1-D convolutions."""
    return convolutional(1)


def cnn3d() -> nn.Sequential:
    """A network of strided and dilated 3-D convolutions."""
    return convolutional(3)


def residual_mlp() -> nn.Sequential:
    """A linear stem, two residual blocks and a linear head."""
    blocks = (Residual(nn.Sequential(nn.ReLU(), *mlp(nn.ReLU(), (8, 12, 8)))) for _ in range(2))
    return nn.Sequential(nn.Linear(3, 8), *blocks, nn.Linear(8, 2))


def pre_activation_resnet() -> nn.Sequential:
    """Two pre-activation blocks, the second with a stride and a projected shortcut."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        Residual(nn.Sequential(*norm_conv(8, 8, 3), *norm_conv(8, 8, 3))),
        Residual(nn.Sequential(*norm_conv(8, 12, 3, 2), *norm_conv(12, 12, 3)), nn.Conv2d(8, 12, 1, 2)),
        *(nn.BatchNorm2d(12), nn.ReLU(), *pooled(12, 5)),
    )


def grouped_cnn() -> nn.Sequential:
    """Convolutions of one, two and four groups and a depthwise one."""
    shapes = ((3, 8, 1), (8, 8, 2), (8, 16, 4), (16, 16, 16))
    blocks = (conv_norm(inputs, outputs, 3, groups=groups) for inputs, outputs, groups in shapes)
    return nn.Sequential(*chain.from_iterable(blocks), *pooled(16, 5))


def dense_concat() -> nn.Sequential:
    """A dense block of three layers: feature maps concatenated with all before them."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), DenseBlock(6, 3, 4), nn.BatchNorm2d(18), nn.ReLU(), *pooled(18, 5)
    )


def shuffle_cnn() -> nn.Sequential:
    """Chunks and channel shuffles, with and without a stride."""
    return nn.Sequential(conv_norm(3, 8, 3), ShuffleUnit(8, 8, 1), ShuffleUnit(8, 12, 2), *pooled(12, 5))


class TiedAutoencoder(nn.Module):
    """An autoencoder whose decoder is the transpose of its encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6))
        self.encoder_bias = nn.Parameter(torch.zeros(4))
        self.decoder_bias = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(F.linear(x, self.weight, self.encoder_bias))
        return F.linear(hidden, self.weight.t(), self.decoder_bias)


class SharedBlock(nn.Module):
    """One linear layer used at two depths."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 8)
        self.shared = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x))
        x = torch.tanh(self.shared(x))
        x = torch.tanh(self.shared(x))
        return self.head(x)


class UnusedParameter(nn.Module):
    """An MLP beside a parameter and a sub-module that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(nn.ReLU())
        self.unused = nn.Parameter(torch.zeros(4))
        self.spare = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Narrow(nn.Module):
    """An MLP whose hidden layers have one unit."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(nn.Tanh(), (3, 1, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def layer_norm_mlp() -> nn.Sequential:
    """An MLP with a layer norm after each hidden linear layer."""
    return mlp(nn.Sequential(nn.LayerNorm(8), nn.ReLU()))


def group_norm_cnn() -> nn.Sequential:
    """A convolutional network with group norms of two groups."""
    return convolutional(2, lambda channels: nn.GroupNorm(2, channels))


def instance_norm_cnn(affine: bool = True, dims: int = 2) -> nn.Sequential:
    """A convolutional network of one, two or three dimensions with instance norms."""
    norm = getattr(nn, f"InstanceNorm{dims}d")
    return convolutional(dims, lambda channels: norm(channels, affine=affine))


class MixedActivations(nn.Module):
    """A linear layer of which one half goes through ReLU and the other through tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 12)
        self.head = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.hidden(x).chunk(2, dim=-1)
        return self.head(torch.cat((torch.relu(first), torch.tanh(second)), dim=-1))


class InputSkip(nn.Module):
    """A field over coordinates that reads them again before its last hidden layer, as NeRF does."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*mlp(nn.ReLU(), (3, 16, 16)), nn.ReLU())
        self.head = mlp(nn.ReLU(), (16 + 3, 16, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat((self.trunk(x), x), dim=-1))


class SqueezeExcite(nn.Module):
    """A convolutional network with a squeeze-and-excitation gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_norm(3, 16, 3)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 8, 1), nn.ReLU(), nn.Conv2d(8, 16, 1), nn.Sigmoid()
        )
        self.head = nn.Sequential(conv_norm(16, 8, 3), *pooled(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x * self.gate(x))


class Unknown(nn.Module):
    """An MLP with an operator in its middle that no tracer has a rule for."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 8)
        self.head = mlp(nn.ReLU(), (8, 8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cumsum(torch.relu(self.stem(x)), dim=-1))


class BilinearProduct(nn.Module):
    """A product of two linear branches beside a gated linear unit."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(3, 8)
        self.right = nn.Linear(3, 8)
        self.gated = nn.Sequential(nn.Linear(3, 12), nn.GLU(dim=-1))
        self.head = nn.Linear(8 + 6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat((self.left(x) * self.right(x), self.gated(x)), dim=-1))


class ProductsOfPieces(nn.Module):
    """Products of three, and of two pieces of one value, which change places unit by unit.

    The multipliers of the first are free, those of the second have magnitudes of product 1, and those of the third have
    the product 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.second, self.third = nn.Linear(3, 12), nn.Linear(4, 9), nn.Linear(3, 6)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b, c = self.stem(x).chunk(3, -1)
        d, e, f = self.second(a * b * c).chunk(3, -1)
        g, h = self.third(torch.tanh(d * e * f)).chunk(2, -1)
        return self.head(torch.sigmoid(g * h))


def bilinear_product() -> BilinearProduct:
    """A network of products."""
    return BilinearProduct()


# ------------------------------------------------------------------------------------------------ for the tests


@torch.no_grad()
def randomize(model: Model, generator: torch.Generator) -> Model:
    """Replace every floating parameter and buffer, in place, by random values that hide nothing; returns the model.

    The values are drawn in double precision on the generator's device, so they do not depend on the model's own.
    """
    norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
    for module in model.modules():
        for name, tensor in chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False)):
            if not tensor.is_floating_point():
                continue
            options = {"generator": generator, "dtype": torch.float64, "device": generator.device}
            normal, uniform = torch.randn(tensor.shape, **options), torch.rand(tensor.shape, **options)
            if name == "running_var":
                value = 0.3 + 1.7 * uniform
            elif name == "running_mean":
                value = 0.5 * normal
            elif isinstance(module, nn.PReLU):
                value = 0.1 + 0.4 * uniform
            elif isinstance(module, norms) and name == "weight":
                value = (1 + 0.3 * normal) * torch.sign(uniform - 0.5)
            elif tensor.dim() > 1:
                value = 1.2 / tensor[0].numel() ** 0.5 * normal
            else:
                value = 0.3 * normal
            tensor.copy_(value)
    return model


# name -> factory, shape of an example input
SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: mlp(nn.ReLU()), (2, 3)),
    "mlp_no_bias": (lambda: mlp(nn.ReLU(), bias=False), (2, 3)),
    "siren": (siren, (2, 2)),
    "cnn": (cnn, (2, 1, 8, 8)),
    "cnn1d": (cnn1d, (2, 3, 16)),
    "cnn3d": (cnn3d, (2, 3, 8, 8, 8)),
    "residual_mlp": (residual_mlp, (2, 3)),
    "pre_activation_resnet": (pre_activation_resnet, (2, 3, 8, 8)),
    "grouped_cnn": (grouped_cnn, (2, 3, 8, 8)),
    "dense_concat": (dense_concat, (2, 3, 8, 8)),
    "shuffle_cnn": (shuffle_cnn, (2, 3, 8, 8)),
    "TiedAutoencoder": (TiedAutoencoder, (2, 6)),
    "SharedBlock": (SharedBlock, (2, 3)),
    "UnusedParameter": (UnusedParameter, (2, 3)),
    "Narrow": (Narrow, (2, 3)),
    "layer_norm_mlp": (layer_norm_mlp, (2, 3)),
    "group_norm_cnn": (group_norm_cnn, (2, 3, 8, 8)),
    "instance_norm_cnn": (instance_norm_cnn, (2, 3, 8, 8)),
    "instance_norm_cnn_plain": (lambda: instance_norm_cnn(affine=False), (2, 3, 8, 8)),
    "instance_norm_cnn1d": (lambda: instance_norm_cnn(dims=1), (2, 3, 16)),
    "MixedActivations": (MixedActivations, (2, 3)),
    "InputSkip": (InputSkip, (2, 3)),
    "SqueezeExcite": (SqueezeExcite, (2, 3, 8, 8)),
    "Unknown": (Unknown, (2, 3)),
    "bilinear_product": (bilinear_product, (2, 3)),
    "ProductsOfPieces": (ProductsOfPieces, (2, 3)),
}

LARGE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet18": (ResNet18, (2, 3, 64, 64)),
    "densenet121": (DenseNet121, (2, 3, 64, 64)),
    "mobilenet_v2": (MobileNetV2, (2, 3, 64, 64)),
    "shufflenet_v2": (ShuffleNetV2, (2, 3, 64, 64)),
}

# every elementwise activation of torch.nn, and functions without a module; RReLU is one function in eval mode only
ACTIVATIONS: list[nn.Module] = [
    *(nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(), nn.RReLU(), nn.Threshold(0.1, -0.5), nn.Identity()),
    *(nn.ELU(), nn.SELU(), nn.CELU(0.7), nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish()),
    *(nn.Hardshrink(), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(), nn.Softshrink(), nn.Tanhshrink()),
    *(nn.Sigmoid(), nn.LogSigmoid(), nn.Softplus(), nn.Softsign(), nn.Tanh()),
    *map(Elementwise, (torch.sin, torch.cos, torch.abs, torch.square, torch.erf, torch.atan)),
]
