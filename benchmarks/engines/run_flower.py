"""The work through Flower's simulation on Ray, with a Keras client (flower_app.py).

As it comes: two cores a client, and a model made for each message. With `tuned` as the third argument: one core a
client, so that there is a worker process for each core, and one compiled model kept in each.
"""

import os
import sys
import time

tuned = "tuned" in sys.argv[3:]
# Nothing is sent anywhere: no telemetry, no question after a newer version. Ray's workers inherit all this.
os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
os.environ |= {"FLOWER_WORK": os.path.abspath(sys.argv[1]), "FLOWER_KEEPS_MODEL": "1" if tuned else "0"}
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import flower_app  # noqa: E402
import numpy as np  # noqa: E402
from flwr.simulation import run_simulation  # noqa: E402

work = flower_app.load_work(os.environ["FLOWER_WORK"])
resources = {"num_cpus": 1 if tuned else 2, "num_gpus": 0.0}
backend = {"client_resources": resources, "init_args": {"include_dashboard": False}}
for _ in range(work.repeats):
    flower_app.times.clear()
    begun = time.perf_counter()
    run_simulation(flower_app.server_app, flower_app.client_app, num_supernodes=len(work.y), backend_config=backend)
    work.done(np.diff(flower_app.times).tolist(), flower_app.final, flower_app.times[0] - begun)
work.write("flwr", "ray", "keras", "tensorflow-cpu", "numpy")
