"""AWS SDK for JavaScript v3: client-s3 and lib-storage, run by Node."""

import os
import shutil
import subprocess

from harness import ACCESS_KEY, CLIENTS, REGION, SECRET_KEY

HERE = os.path.dirname(__file__)


def test_aws_sdk_js_scenario(server, bucket, tmp_path):
    # Node looks for packages beside the script, so the script goes where they are installed.
    script = shutil.copy(os.path.join(HERE, "js/scenario.mjs"), CLIENTS / "js/scenario.mjs")
    answer = subprocess.run(
        ["node", script, server.endpoint, bucket, REGION, ACCESS_KEY, SECRET_KEY], capture_output=True, text=True, timeout=300
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[-1] == "scenario complete"
