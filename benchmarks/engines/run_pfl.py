"""The work through Apple's pfl: SimulatedBackend and FederatedAveraging with a PyTorch model.

With `one-thread` as the third argument PyTorch uses one thread instead of one a core: matrices this small gain little
from a second, and lose much when another program wants that core. pfl goes through a client's samples in their order.
"""

import json
import sys
import time

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from work import BATCH_SIZE, LEARNING_RATE, Work


class DocumentModel(torch.nn.Module):
    """784 → 128 (ReLU) → dropout 0.2 → 10, as `fedlab_utils.models.document_mlp`."""

    def __init__(self, weights):
        super().__init__()
        self.hidden, self.digits = torch.nn.Linear(784, 128), torch.nn.Linear(128, 10)
        self.dropout = torch.nn.Dropout(0.2)
        with torch.no_grad():
            for parameter, array in zip(self.parameters(), weights, strict=True):
                parameter.copy_(torch.from_numpy(array.T))

    def forward(self, x):
        return self.digits(self.dropout(torch.relu(self.hidden(x.flatten(1)))))

    def loss(self, x, y, eval=False):
        self.train(not eval)
        return torch.nn.functional.cross_entropy(self(x), y)

    @torch.no_grad()
    def metrics(self, x, y, eval=True):  # pfl wants them in round 1, which is reported apart
        return {"loss": Weighted(self.loss(x, y, eval).item() * len(y), len(y))}


class Stopwatch(TrainingProcessCallback):
    def __init__(self):
        self.times = [time.perf_counter()]

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        self.times.append(time.perf_counter())
        return False, Metrics()


if "one-thread" in sys.argv[3:]:
    torch.set_num_threads(1)
work = Work.load()
layers = {layer["class_name"]: layer["config"] for layer in json.loads(work.model)["config"]["layers"]}
if [w.shape for w in work.weights] != [(784, 128), (128,), (128, 10), (10,)] or layers["Dropout"]["rate"] != 0.2:
    raise SystemExit("this is written for the document's model only")
users = dict(enumerate(zip(torch.from_numpy(work.x), torch.from_numpy(work.y).long(), strict=True)))
n_clients = len(users)
for repeat in range(work.repeats):
    np.random.seed(work.seed + repeat)  # noqa: NPY002 (pfl draws from the global generator)
    torch.manual_seed(work.seed + repeat)
    begun = time.perf_counter()
    module = DocumentModel(work.weights)
    model = PyTorchModel(module, torch.optim.SGD, central_optimizer=torch.optim.SGD(module.parameters(), lr=1.0))
    everyone = FederatedDataset.from_slices(users, get_user_sampler("minimize_reuse", list(users)))  # all ten, once a round
    backend = SimulatedBackend(training_data=everyone, val_data=everyone, postprocessors=[WeightByDatapoints()])
    parameters = NNAlgorithmParams(
        central_num_iterations=work.rounds, evaluation_frequency=10**6, train_cohort_size=n_clients, val_cohort_size=0
    )
    local = NNTrainHyperParams(local_num_epochs=1, local_learning_rate=LEARNING_RATE, local_batch_size=BATCH_SIZE)
    watch = Stopwatch()
    FederatedAveraging().run(
        parameters, backend, model, local, NNEvalHyperParams(local_batch_size=600), [watch], send_metrics_to_platform=False
    )
    weights = [parameter.detach().numpy().T for parameter in module.parameters()]
    work.done(np.diff(watch.times).tolist(), weights, watch.times[0] - begun)
work.write("pfl", "torch", "numpy")
