"""The server's side, in Flower's form."""

import fedlab_utils as fl

from .task import data, model

app = fl.flower.server_app(model, data)
