"""The client's side, in Flower's form."""

import fedlab_utils as fl

from .task import data, model

app = fl.flower.client_app(model, data)
