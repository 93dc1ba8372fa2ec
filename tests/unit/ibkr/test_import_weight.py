import subprocess
import sys

import pytest

CODE = """
import sys, ibkeel.ibkr
bad = {'pandas', 'click', 'rich', 'exchange_calendars', 'starlette', 'apprise', 'typed_settings', 'scipy',
       'pytest', 'hypothesis', 'time_machine', 'prometheus_client', 'ibkeel.sim', 'ibkeel.options'} & set(sys.modules)
assert not bad, bad
"""


@pytest.mark.smoke
def test_the_adapter_alone_brings_no_extra():
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
