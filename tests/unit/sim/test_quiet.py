import subprocess
import sys

# Each in a process of its own: here the whole package is loaded, and pytest listens.
WARNS = "import ibkeel.sim, logging; logging.getLogger('ibkeel.sim').warning('connection reset')"


def test_the_simulator_alone_writes_nothing_to_the_error_stream():
    done = subprocess.run([sys.executable, "-c", WARNS], capture_output=True, check=True, text=True)

    assert (done.stdout, done.stderr) == ("", "")
