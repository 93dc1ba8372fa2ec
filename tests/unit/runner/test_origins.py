"""Lines of keys in TOML."""

import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.runner import load_config
from ibkeel.runner.settings import lines_of


def test_each_key_has_its_line():
    text = 'a = 1\n\n# words\n[x.y]\nb = [\n 1,\n]\n"q" = 3\nc.d = 4\n[[z]]\nk = 1\n[[z]]\nk = 2\n'

    assert lines_of(text) == {"a": 1, "x.y": 4, "x.y.b": 5, "x.y.q": 8, "x.y.c.d": 9, "z": 10, "z.k": 11}


def test_an_error_names_the_line_or_the_variable(tmp_path):
    config = tmp_path / "bot.toml"
    config.write_text("[runner]\n\ninterval = 'x'\n")

    with pytest.raises(ConfigurationError) as refused:
        load_config(config, {"IBKEEL_GATEWAY__PORT": "high"})

    assert "bot.toml:3): 'x' is not a number" in str(refused.value)
    assert "(IBKEEL_GATEWAY__PORT): 'high' is not a whole number" in str(refused.value)
