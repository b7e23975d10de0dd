"""Figures: they say in words what they show, and the colours of the key are those of the curves."""

import base64
import io

import numpy as np
from PIL import Image

import fedlab_utils as fl
from fedlab_utils.book import plotting
from fedlab_utils.book.figures import mathematics


def figures():
    errors = {r: np.linspace(-1, 1, 50) for r in ("floor", "nearest", "stochastic")}
    curves = {r: np.array([0.3, 0.2, 0.1]) for r in errors}
    yield plotting.colour_key()
    yield mathematics.staircase()
    yield mathematics.rounding_errors(errors, 1.0)
    yield mathematics.error_of_mean([1, 10, 100], curves, curves)
    yield mathematics.magnitudes(fl.load_client_delta())


def test_every_figure_is_a_picture_with_alternative_text_in_its_language(language):
    for still in figures():
        data, metadata = still._repr_mimebundle_()
        image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
        assert image.width > 500 and len(set(image.convert("L").resize((64, 64)).tobytes())) > 10, "the picture is empty"
        alt = metadata["image/png"]["alt"]
        assert alt == data["text/plain"] and len(alt) > 20
        assert any("\u4e00" <= c <= "\u9fff" for c in alt) == (language == "zh")


def test_magnitudes_reports_the_energy_share_of_a_vector_worked_out_by_hand():
    x = np.array([3.0, 4.0] + [0.0] * 8)  # energies 9 and 16 of 25
    assert "the largest 10 % hold 64 %" in mathematics.magnitudes(x, fractions=(0.1,)).alt


def test_an_image_tag_escapes_its_alternative_text():
    assert 'alt="a &lt;b&gt; &quot;c&quot;"' in plotting.image_tag(b"", 'a <b> "c"')
