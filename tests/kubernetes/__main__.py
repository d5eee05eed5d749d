"""`make test-kubernetes`: the base on the cluster of kubectl's current context, with its own servers."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from contracts.client import SessionStoreError
from tests.field.load import Stalled
from tests.kubernetes.cluster import (
    NAMESPACE,
    SERVERS,
    CannotTry,
    Cluster,
    Failed,
    find_cluster,
    provide_image,
)
from tests.kubernetes.printed import Printed, write_overlay
from tests.kubernetes.servers import Servers
from tests.kubernetes.trial import Trial
from tests.kubernetes.workers import Workers

NOT_TESTED: Final = 75
LOOKS: Final = (
    ("get", "pods", "--namespace", SERVERS, "--output=wide"),
    ("get", "pods,jobs", "--namespace", NAMESPACE, "--output=wide"),
    ("get", "events", "--namespace", NAMESPACE, "--sort-by=.lastTimestamp"),
    ("logs", "job/session-store-prepare", "--namespace", NAMESPACE, "--all-containers", "--tail=30"),
    ("logs", "deployment/session-store", "--namespace", NAMESPACE, "--tail=50"),
)


async def play(cluster: Cluster, image: str, place: Path, *, keep: bool) -> int:
    """Return 0 if every promise was kept; deletes all that was made in the cluster, unless `keep` is set."""
    write_overlay(place / "overlay", image)
    servers = Servers(cluster, place)
    trial = Trial(servers, Workers(cluster), Printed(cluster, servers, place / "overlay"))
    try:
        wrong = await trial.run()
    except (Failed, Stalled, SessionStoreError) as error:
        wrong = [*trial.wrong, str(error)]
        for words in LOOKS:
            done = cluster.attempt(*words)
            print(f"\nkubectl {' '.join(words)}\n{done.stdout}{done.stderr}", file=sys.stderr)
    finally:
        if not keep:
            cluster.attempt("delete", "namespace", NAMESPACE, SERVERS, "--ignore-not-found", "--timeout=5m")
    print(
        "\n".join([*(f"FAILED: {each}" for each in wrong), "" if wrong else "every promise was kept"]).strip()
    )
    return 1 if wrong else 0


def main(words: list[str]) -> int:
    """Return 0 if every promise was kept, 1 if one was broken, 75 without a cluster to test on."""
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes", description=__doc__)
    parser.add_argument(
        "--image", metavar="NAME:TAG", help="one that the cluster can pull; built here by default"
    )
    parser.add_argument("--keep", action="store_true", help="leave what was made in the cluster")
    given = parser.parse_args(words)
    try:
        cluster = find_cluster()
        image = provide_image(cluster, given.image)
    except CannotTry as reason:
        print(f"NOT TESTED: {reason}", file=sys.stderr)
        return NOT_TESTED
    except Failed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    print(f"on the cluster of the context {cluster.context}, with the image {image}", flush=True)
    with tempfile.TemporaryDirectory(prefix="session-store-kubernetes-") as place:
        return asyncio.run(play(cluster, image, Path(place), keep=given.keep))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
