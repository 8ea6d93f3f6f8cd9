"""Check the packages in constraints.txt and docs/requirements.txt for known vulnerabilities, with pip-audit.

    make audit

Exit code: 0 if all packages were checked and none has a known vulnerability, 1 if some have, 2 if not all could be
checked. pip-audit itself also returns 0 if the database does not know a package.
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
    """Print a sentence per finding and return the exit code."""
    files = [word for lock in locks for word in ("--requirement", str(lock))]
    done = subprocess.run([*audit, *files], capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        print(f"not audited: the vulnerability database could not be reached or read ({last})")
        return 2
    unknown = [package["name"] for package in found if "skip_reason" in package]
    vulnerable = [(package, fault) for package in found for fault in package.get("vulns", ())]
    for package, fault in vulnerable:
        mended = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']} is vulnerable: {fault['id']}; fixed in {mended}")
    if unknown or not found:
        named = f", such as {unknown[0]}" if unknown else ""
        print(f"not audited: the database does not know {len(unknown)} of {len(found)} packages{named}")
    elif not vulnerable:
        print(f"audited: {len(found)} packages, no known vulnerability")
    return 1 if vulnerable else 2 if unknown or not found else 0


if __name__ == "__main__":
    raise SystemExit(main())
