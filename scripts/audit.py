"""Known vulnerabilities of the packages in constraints.txt and docs/requirements.txt, by pip-audit: `make audit`.

Exit code: 0 all packages were looked up and none is known to be vulnerable, 1 some are, 2 not audited. pip-audit itself
ends with 0, too, where the database answers that it does not know a package.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = (ROOT / "constraints.txt", ROOT / "docs" / "requirements.txt")
AUDIT = (sys.executable, "-m", "pip_audit", "--disable-pip", "--progress-spinner", "off", "--format", "json")


def main(locks: Sequence[Path] = LOCKS, audit: Sequence[str] = AUDIT) -> int:
    """Print what was found, in one sentence each; returns the exit code."""
    files = [word for lock in locks for word in ("--requirement", str(lock))]
    done = subprocess.run([*audit, *files], capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip() or "without a word").splitlines()[-1]
        print(f"not audited: the database of vulnerabilities could not be reached, or not read ({last})")
        return 2
    unknown = [package["name"] for package in found if "skip_reason" in package]
    vulnerable = [(package, fault) for package in found for fault in package.get("vulns", ())]
    for package, fault in vulnerable:
        mended = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']} is vulnerable: {fault['id']}; mended in {mended}")
    if unknown or not found:
        named = f", such as {unknown[0]}" if unknown else ""
        print(f"not audited: the database knows nothing of {len(unknown)} of {len(found)} packages{named}")
    elif not vulnerable:
        print(f"audited: no vulnerability is known of the {len(found)} packages")
    return 1 if vulnerable else 2 if unknown or not found else 0


if __name__ == "__main__":
    raise SystemExit(main())
