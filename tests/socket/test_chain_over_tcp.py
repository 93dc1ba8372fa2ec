import json
import subprocess
import sys

CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]


def test_a_delta_is_found_against_a_gateway_on_a_real_port():
    served = subprocess.Popen([*CONSOLE, "sim", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        address = served.stderr.readline().split()[3].rstrip(",")
        command = [*CONSOLE, "chain", "SPY", "--delta", "0.3", "--port", address.rpartition(":")[2], "--json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    finally:
        served.kill()
        served.communicate()

    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert abs(found["chosen"]["delta"] + 0.3) < 0.02
    assert found["at"].startswith("20")
