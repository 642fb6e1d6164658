"""DualFlow: a network over networks whose messages are products with the weights themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph, checked_graph, checked_space
from wsgraph.nn.dual_states import dual_states, leading_to
from wsgraph.nn.forward import Forward
from wsgraph.nn.models.model import WeightSpaceModel
from wsgraph.nn.plan import Plan, alike, plan_of
from wsgraph.nn.readout import DualInvariant, FixedUnits, OuterUpdate, WeightUpdate, perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import structure
from wsgraph.nn.units import HIDDEN, part_of
from wsgraph.nn.updated import updated
from wsgraph.space import WeightSpace


class DualFlow(WeightSpaceModel):
    r"""States that flow through the input networks' own weights and activations, forward and back.

    ``hidden_channels`` learned inputs are pushed through each network (:class:`wsgraph.nn.Forward`), which gives
    every unit a covariant state p. Learned seeds at the outputs flow back (:func:`wsgraph.nn.dual_states`), which gives
    it a contravariant state q. Their products are invariant:

    .. math:: s_i = φ(\operatorname{asinh}(Γ p_i \odot Γ' q_i)), \qquad r_l = \frac{1}{n_l} \sum_{i \in l} s_i.

    A perceptron reads p of the outputs, q of the inputs (how the answers change with the learned inputs) and r of the
    layers between. With ``num_rounds`` above 1, s decides factors of the states, and they flow again. Updated
    weights are :class:`~wsgraph.nn.WeightUpdate` and then the outer products of :class:`~wsgraph.nn.OuterUpdate`,

    .. math:: W' = W \odot \Big(1 + \sum_c u_c v_c^{\top}\Big) + \sum_c g_c\, p_c q_c^{\top}.

    No tensor of edges × channels is made: the cost is that of running each network on ``hidden_channels`` inputs,
    forward and backward. Means over units, and no parameter that counts them, let a model take networks of other
    widths than its own space has.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations and to every
    scale class of the space, and to half turns before sines. Not covered: matrices on linear groups.

    Args:
        space: The weight space of the networks that it takes, or of some that differ from them in width alone.
        hidden_channels: Number of learned inputs, and width of the states.
        num_layers: Number of hidden layers between states and answers.
        out_channels: Number of outputs for each network, or None for updated weights.
        backward: Whether there are states q. Without them this is pure probing: s_i = φ(canon(Γ p_i)), and updates
            without outer products.
        num_rounds: How often the states flow.

    Shapes:
        - **input**: B neuron graphs, of ``space`` or others with layers like its own
        - **output**: ``[B, out_channels]``, or B neuron graphs

    Example:
        >>> import torch, wsgraph
        >>> from torch.nn import Linear, Sequential, Tanh
        >>> models = [Sequential(Linear(2, 8), Tanh(), Linear(8, 1)) for _ in range(4)]
        >>> space = wsgraph.trace(models[0])
        >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], space)
        >>> model = wsgraph.nn.DualFlow(space, 16, 2, out_channels=10)
        >>> model(graphs).shape
        torch.Size([4, 10])
        >>> model(wsgraph.to_graph(Sequential(Linear(2, 32), Tanh(), Linear(32, 1)))).shape
        torch.Size([1, 10])
    """

    def __init__(
        self,
        space: WeightSpace,
        hidden_channels: int = 128,
        num_layers: int = 2,
        out_channels: int | None = None,
        *,
        backward: bool = True,
        num_rounds: int = 1,
    ) -> None:
        super().__init__(space, hidden_channels, num_layers, out_channels)
        if num_rounds < 1:
            raise WSGraphError(f"num_rounds must be at least 1, got {num_rounds}.")
        channels = hidden_channels
        self.states = Forward(space, channels)
        self.read = [i for i in range(len(space.layers)) if part_of(space, i) == HIDDEN]
        outputs = {i: space.size(i) for i, n in enumerate(space.layers) if n.output and structure(space).fixed[i]}
        seeded = outputs if backward else {}
        self.seeds = nn.ParameterDict({str(i): nn.Parameter(torch.empty(n, channels)) for i, n in seeded.items()})
        self.reached = leading_to(space, seeded)
        inputs = {int(i): space.size(int(i)) for i in self.states.inputs if int(i) in self.reached}
        width = channels if out_channels is None else max(channels // 2, 4)
        self.rounds = nn.ModuleList(self._heads(width) for _ in range(num_rounds))
        self.factors = nn.ModuleList(self._maps(width) for _ in range(num_rounds - 1))
        self.at_outputs = FixedUnits(outputs, channels, 2 * channels)
        self.at_inputs = FixedUnits(inputs, channels, channels) if inputs else None
        answers = channels * (2 * len(outputs) + len(inputs)) + width * len(self.read)
        if out_channels is None:
            fixed = [i for i in range(len(space.layers)) if i not in self.read]
            self.places = nn.ParameterDict({str(i): nn.Parameter(torch.empty(space.size(i), width)) for i in fixed})
            self.context = perceptron(answers, channels, num_layers, width)
            self.update = WeightUpdate(space, width, channels)
            self.outer = OuterUpdate(space, channels, self.reached)
        else:
            self.readout = perceptron(answers, 2 * channels, num_layers - 1, out_channels)
        self.reset_parameters()

    def _heads(self, width: int) -> nn.ModuleDict:
        channels = self.hidden_channels
        heads = {i: DualInvariant(channels, width, max(channels // 4, 1), i in self.reached) for i in self.read}
        return nn.ModuleDict({str(i): head for i, head in heads.items()})

    def _maps(self, width: int) -> nn.ModuleDict:
        return nn.ModuleDict({str(i): nn.Linear(width, self.hidden_channels) for i in self.read})

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)
        for seed in self.seeds.values():
            nn.init.normal_(seed, std=len(seed) ** -0.5)
        for value in getattr(self, "places", {}).values():
            nn.init.normal_(value)

    def forward(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """Outputs ``[B, out_channels]``, or a batch of updated graphs.

        Raises:
            SpaceError: The graphs are of a weight space whose layers differ by more than their sizes.
        """
        checked_graph(graphs, type(self).__name__)
        if not all(alike(space, self.space) for space in dict.fromkeys(graphs.spaces)):
            checked_space(graphs, self.space, type(self).__name__)
        return self._prepared(graphs, self._answer)

    def _answer(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """The answers for each weight space together, in the order of the graphs."""
        if graphs.common_space == self.space:
            return super()._answer(graphs)
        runs, found = graphs.matrices(), {}
        for space in dict.fromkeys(space for space, _ in runs):
            own = [matrix for other, matrix in runs if other == space]
            found[space] = iter(self._at(plan_of(space), torch.cat(own)).split([len(matrix) for matrix in own]))
        parts = [next(found[space]) for space, _ in runs]
        if self.out_channels is not None:
            return torch.cat(parts)
        return updated(graphs, torch.cat([part.reshape(-1) for part in parts]))

    def _invariant(self, weights: Tensor) -> Tensor:
        return self._at(self.states.plan, weights)

    def _updated_weights(self, weights: Tensor) -> Tensor:
        return self._at(self.states.plan, weights)

    def _at(self, plan: Plan, weights: Tensor) -> Tensor:
        """Outputs, or updated weights ``[B, P]``, of networks of one weight space."""
        p, q, s = self._flow(plan, weights)
        answers = [*self.at_outputs(p), *(value.mean(1) for value in s.values())]
        answers += [] if self.at_inputs is None else self.at_inputs(q)
        together = torch.cat(answers, dim=1)
        if self.out_channels is not None:
            return self.readout(together)
        context = self.context(together)[:, None]
        every = [context + (s[i] if i in s else self.places[str(i)]) for i in range(len(p))]
        return self.outer(self.update(weights, every, p, plan.space), p, q, plan)

    def _flow(self, plan: Plan, weights: Tensor) -> tuple[list[Tensor], dict[int, Tensor], dict[int, Tensor]]:
        """States p of all layers, q of those that lead to an output, s of the hidden ones, after the last round."""
        seeds = {int(i): seed for i, seed in self.seeds.items()}
        gains: dict[int, Tensor] = {}
        for heads, maps in zip(self.rounds, (*self.factors, None), strict=True):
            assert isinstance(heads, nn.ModuleDict)
            p, q = dual_states(self.states, weights, seeds, self.reached, plan, gains)
            s = {i: heads[str(i)](p[i], q.get(i), plan.magnitude[i], plan.sign[i]) for i in self.read}
            if isinstance(maps, nn.ModuleDict):
                gains = {i: 1 + maps[str(i)](value).tanh() for i, value in s.items()}
        return p, q, s
