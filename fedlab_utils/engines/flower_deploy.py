"""A deployment of Flower on this machine: one SuperLink and some SuperNodes as processes, with TLS and keys of their own."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..federation.history import History
from .flower_certificates import make_certificates, make_node_key
from .flower_lab import Failed, Lab, free_port
from .flower_proxy import CountingProxy
from .flower_run import START_SECONDS, connect, healthy

REFUSED_SECONDS = 240.0  # how long the SuperLink may take a node that was killed for one that is still there


class Deployment:
    """A SuperLink and its SuperNodes. `start()` makes certificates and keys, and starts all.

    nodes: how many; node k is client k. port: of the SuperLink, 0 for any that is free. Each node reaches the SuperLink through
    a proxy that counts (`wire`). superlink: the process. say: is told what happens.
    """

    def __init__(self, lab: Lab, nodes: int, port: int = 0, say: Callable[[str], None] = print):
        self._lab, self._n, self._say = lab, nodes, say
        self.port = free_port(port)
        self.keys = lab.home / "keys"
        self.nodes: dict[int, subprocess.Popen] = {}
        self._proxies: dict[int, CountingProxy] = {}
        self._started: dict[int, int] = {}  # how often a node was started, for the name of its log

    def start(self) -> subprocess.Popen:
        """Start everything; returns the SuperLink's process. `Failed`, in one sentence, where something does not start."""
        lab, keys = self._lab, self.keys
        make_certificates(keys)
        self.start_superlink()
        connect(lab, self.port, f'root-certificates = "{keys / "ca.crt"}"')
        for node in range(self._n):
            make_node_key(keys, f"node{node}")
            self._proxies[node] = CountingProxy(self.port)
            lab.at_close(self._proxies[node].close)
        self.admit_nodes()
        self._say(f"SuperLink on 127.0.0.1:{self.port} with TLS, {self._n} SuperNodes with keys of their own.")
        return self.superlink

    def admit_nodes(self) -> None:
        """Register the keys of all nodes, and start these: at first, and again where a SuperLink has lost its database."""
        lab = self._lab
        for node in range(self._n):
            public = str(self.keys / f"node{node}.pub")
            lab.run("register", ["flwr", "supernode", "register", public, "lab", "--name", f"node{node}"], START_SECONDS)
            self.start_node(node)
        for node, process in self.nodes.items():
            lab.wait(f"node {node} is taken", partial(self._taken, node), START_SECONDS, process, self.superlink)

    def start_superlink(self, lost: bool = False) -> None:
        """Start the SuperLink, also one that was killed: its database knows the nodes, and they come back to it. lost: without
        that database; then nobody is known, every node is sent away and ends, and `admit_nodes` begins again."""
        lab, keys = self._lab, self.keys
        if lost:
            for file in lab.home.glob("state.db*"):
                file.unlink()
        self.superlink = lab.start("superlink", [
            "flower-superlink", "--host", "127.0.0.1", "--port", str(self.port), "--database", str(lab.home / "state.db"),
            "--ssl-ca-certfile", str(keys / "ca.crt"), "--ssl-certfile", str(keys / "server.pem"),
            "--ssl-keyfile", str(keys / "server.key"), "--enable-supernode-auth", "--disable-runtime-dependency-installation",
        ])  # fmt: skip
        trusted = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        lab.wait("the SuperLink answers", lambda: healthy(f"https://127.0.0.1:{self.port}/health", trusted), START_SECONDS,
                 self.superlink)  # fmt: skip
        for proxy in self._proxies.values():
            proxy.open()

    def kill_superlink(self) -> None:
        """End the SuperLink as a power cut does, and with it the run, which Flower does not resume.

        The proxies are closed first: a SuperNode tries again where it is refused, but gives up for good where a connection is
        taken and ends within the handshake of TLS.
        """
        for proxy in self._proxies.values():
            proxy.close()
        self._lab.end(self.superlink, hard=True)
        self._say("the SuperLink was killed")

    def start_node(self, node: int, claim: Sequence[str] = ()) -> subprocess.Popen:
        """Start a SuperNode, with nothing that it may have remembered before. claim: what `flower-supernode` is told of CA and
        key in place of its own; such a one is no node of the deployment, and should end at once."""
        self._started[node] = self._started.get(node, 0) + 1
        process = self._lab.start(self.log_of(node), [
            "flower-supernode", "--superlink", f"127.0.0.1:{self._proxies[node].port}",
            *(claim or ["--root-certificates", str(self.keys / "ca.crt"),
                        "--auth-supernode-private-key", str(self.keys / f"node{node}")]),
            "--node-config", f"partition-id={node} num-partitions={self._n}", "--host", "127.0.0.1", "--port", str(free_port()),
        ], FLWR_HOME=str(self._lab.home / f"node{node}"))  # fmt: skip
        if not claim:
            self.nodes[node] = process
        return process

    def log_of(self, node: int) -> str:
        """The name of a node's latest log."""
        return f"node{node}" if self._started[node] == 1 else f"node{node}-{self._started[node]}"

    def kill_node(self, node: int) -> None:
        """End a SuperNode as a power cut does."""
        self._lab.end(self.nodes[node], hard=True)
        self._say(f"node {node} was killed")

    def restart_node(self, node: int) -> None:
        """Start a node that was killed, again and again until the SuperLink takes it: as long as it believes that the node is
        still there (two heartbeats of 30 s), it refuses its key. `Failed` where that takes too long."""
        end = time.monotonic() + REFUSED_SECONDS
        while True:
            process = self.start_node(node)
            while process.poll() is None and not self._taken(node) and time.monotonic() < end:
                time.sleep(0.2)
            if self._taken(node):
                self._say(f"node {node} is back")
                return
            self._say(f"node {node} is refused")
            self._lab.end(process)  # one that is refused ends, and leaves its SuperExec behind
            if time.monotonic() > end:
                why = self._lab.last_words(self.log_of(node))
                raise Failed(f"node {node} is not taken back within {REFUSED_SECONDS:g} s: {why}")

    def lose_node(self, node: int) -> threading.Thread:
        """Kill a node and start it again, as soon as it is taken; join the thread to wait for that. The run goes on meanwhile."""
        self.kill_node(node)
        thread = threading.Thread(target=self.restart_node, args=(node,), daemon=True)
        thread.start()
        return thread

    def _taken(self, node: int) -> bool:
        """Whether the SuperLink has taken a node: then it says its number there."""
        return "SuperNode ID:" in (self._lab.logs / f"{self.log_of(node)}.log").read_text("utf-8", "replace")

    def wire(self) -> dict[int, tuple[int, int]]:
        """Bytes at each node's socket so far, up and down: all that TCP carries, which is TLS with everything within."""
        return {node: proxy.counts() for node, proxy in self._proxies.items()}



def wire_table(history: History, before: Mapping[int, tuple[int, int]], after: Mapping[int, tuple[int, int]]) -> str:
    """What payloads took, and what the nodes' sockets carried from before the run to after it, in bytes."""
    payload = sum(history.uplink_bytes), sum(history.downlink_bytes)
    socket = tuple(sum(after[node][way] - before[node][way] for node in after) for way in (0, 1))
    lines = [f"{name:>12}  {up:12,}  {down:12,}" for name, (up, down) in (("payloads", payload), ("at sockets", socket))]
    beside = sum(socket) - sum(payload)
    lines.append(f"Flower, HTTPS and polling: {beside:,} bytes, {beside / sum(payload):.1%} of the payloads, "
                 f"{beside / len(after):,.0f} a node")  # fmt: skip
    return "\n".join(["              bytes up    bytes down", *lines])
