"""Tasks for networks over networks, as Lightning modules."""

from wsgraph.tasks.classify_inrs import ClassifyINRs
from wsgraph.tasks.comparison import Comparison, Trial, compare
from wsgraph.tasks.data import WeightData
from wsgraph.tasks.edit_inrs import EditINRs
from wsgraph.tasks.embed_networks import EmbedNetworks
from wsgraph.tasks.families import FAMILIES
from wsgraph.tasks.fitting import Fitted, fit
from wsgraph.tasks.named import TASKS, TaskMaker
from wsgraph.tasks.predict_generalization import PredictGeneralization
from wsgraph.tasks.predict_hyperparameters import PredictHyperparameters
from wsgraph.tasks.target import Target
from wsgraph.tasks.task import Task

__all__ = [
    "FAMILIES",
    "TASKS",
    "ClassifyINRs",
    "Comparison",
    "EditINRs",
    "EmbedNetworks",
    "Fitted",
    "PredictGeneralization",
    "PredictHyperparameters",
    "Target",
    "Task",
    "TaskMaker",
    "Trial",
    "WeightData",
    "compare",
    "fit",
]
