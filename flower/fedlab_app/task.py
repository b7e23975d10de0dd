"""What is trained, and on what. Put your own model and your own data here: the two functions are all that the app needs."""

from functools import cache

import fedlab_utils as fl


def model():
    """A Keras model, Sequential or functional. Training starts from its weights, those of the server's process."""
    return fl.models.document_mlp(seed=0)


def data(partition):
    """The data of one client, a number from 0 (its node's partition-id), or of the server, for None.

    A Dataset: x_train, y_train, x_test, y_test. A client trains on x_train; accuracy is measured on the server's x_test.
    On machines of your own, ignore `partition` and read what lies on this machine.
    """
    mnist, parts = _mnist()
    if partition is None:
        return mnist
    return mnist._replace(x_train=mnist.x_train[parts[partition]], y_train=mnist.y_train[parts[partition]])


@cache
def _mnist():
    """MNIST, dealt out evenly to 100 clients of 600 images, as in the chapters."""
    mnist = fl.load_mnist()
    return mnist, fl.partition_iid(mnist.y_train, n_clients=100, seed=0)
