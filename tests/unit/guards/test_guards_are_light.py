import subprocess
import sys


def test_importing_the_guards_brings_no_client_and_no_arrays():
    program = (
        "import sys, ibkeel.guards; "
        "heavy = {'numpy', 'pandas', 'scipy', 'ib_insync', 'ib_async', 'eventkit'} & set(sys.modules); "
        "print(*sorted(heavy))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
