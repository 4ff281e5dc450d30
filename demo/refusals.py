"""What the clients say without their server: version, wrong options, nobody answering. Light to import.

Words and exit codes are those of the recorded clients.
"""

from __future__ import annotations

RSTAT_USAGE = "Usage:\n\tpbs_rstat [-fFBS] [reservation-id]\n\tpbs_rstat --version\n"
OPENPBS_USAGE = (
    "usage: \n"
    "qstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format | -w] [-D delim] [ job_identifier... | destination... ]\n"
    "qstat [-a|-i|-r|-H|-T] [-J] [-t] [-u user] [-n] [-s] [-G|-M] [-1] [-w]\n"
    "\t[ job_identifier... | destination... ]\n"
    "qstat -Q [-f] [-F format] [-D delim] [ destination... ]\n"
    "qstat -q [-G|-M] [ destination... ]\n"
    "qstat -B [-f] [-F format] [-D delim] [ server_name... ]\n"
    "qstat --version\n\n"
)

TORQUE_USAGE = "usage: \n" + "".join(
    f"{' ' * 26}{line}\n"
    for line in (
        "qstat [-f [-1]] [-W site_specific] [-x] [ job_identifier... | destination... ]",
        "qstat [-a|-i|-r|-e] [-u user] [-n [-1]] [-s] [-t] [-G|-M] [-R] [job_id... | destination...]",
        "qstat -Q [-f [-1]] [-W site_specific] [ destination... ]",
        "qstat -q [-G|-M] [ destination... ]",
        "qstat -B [-f [-1]] [-W site_specific] [ server_name... ]",
        "qstat -t",
    )
)

SLURM_USAGE = {
    "qstat": "Usage:\n"
    "    qstat [-f] [-a|-i|-r] [-n [-1]] [-G|-M] [-u user_list] [-? | --help]\n"
    "    [--man] [job_id...]\n\n"
    "    qstat -Q [-f]\n\n"
    "    qstat -q\n\n",
    "pbsnodes": "Usage:\n"
    "    pbsnodes [-a] [node_id...]\n\n"
    "    pbsnodes -l [-n]\n\n"
    '    pbsnodes -{c|r|o} [node_id...] [ -N "note/reason string"]\n\n',
}

Words = tuple[int, str, str]
"""Exit code, standard output, standard error."""


def answer_version(kind: str, version: str, argv: list[str]) -> Words | None:
    """What `--version` prints, which the client knows by itself; None if that was not asked."""
    if "--version" not in argv:
        return None
    if kind == "openpbs":
        return 0, f"pbs_version = {version}\n", ""
    if kind == "torque":
        return 0, f"Version: {version}\nCommit: 4decc716daa73044648b5578ef68d89713d2f6a2\n", ""
    if argv[0] in SLURM_USAGE:  # a Perl script that has no such option
        return 2, "", f"Unknown option: version\n{SLURM_USAGE[argv[0]]}"
    return 0, f"slurm-wlm {version}\n", ""


def no_server(kind: str, server: str, argv: list[str]) -> Words:
    """What a command says when nobody listens where its server should be."""
    command = argv[0]
    if kind == "openpbs":
        if command == "pbsnodes":
            return 1, "", f"Connection refused\npbsnodes: cannot connect to server {server}, error=15010\n"
        if command == "pbs_rstat":
            return 162, "", "Connection refused\npbs_rstat: cannot connect to server (errno=15010)\n"
        return 255, "", f"Connection refused\n{command}: cannot connect to server {server} (errno=15010)\n"
    if kind == "torque":
        words = (
            f"\nUnable to communicate with {server}(127.0.0.1)\nCannot connect to specified server host '{server}'.\n"
        )
        if command == "pbsnodes":
            return 1, "", f"{words}pbsnodes: cannot connect to server {server}, error=111 (Connection refused)\n"
        words = f"{words * 3}{command}: cannot connect to server {server} (errno=111) Connection refused\n"
        if any(option.startswith("-B") for option in argv[1:]):
            return 145, "", f"{words}{command}: Error (-111 - Unknown error -111) \n"
        return 111, "", f"{words}{command}: Error (111 - Connection refused) \n"
    if command == "scontrol":
        words = "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n"
        return 1, "", words
    return 8, "", f"Problem loading {'jobs' if command == 'qstat' else 'node'}.\n"
