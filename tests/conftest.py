"""What every test has: the real servers, where some are named, and an environment without settings of Ringtrue."""

import os

pytest_plugins = ["tests.servers"]

# A shell that points Ringtrue to servers, as `deploy/local/servers up` has it, must not send the tests there.
for _name in [name for name in os.environ if name.startswith("RINGTRUE_") and not name.startswith("RINGTRUE_TEST_")]:
    del os.environ[_name]
