"""Policies in the console: what is on disk, and dry runs that go on while nobody waits.

Owns whose run is whose, how many there are, and what of its findings a viewer sees: what lies
outside the scope is in no count. Implements `search.web.oversight.PoliciesPort`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from infra.consolescope import Threads
from infra.dryrun import DONE, RUNNING, Hit, Run
from infra.policies import PolicyFile, engine, in_force, read_folder
from infra.policyrun import TYPED, chosen, record_of, typed
from infra.wire import Wire
from schemas.assignment import Assignments
from schemas.errors import Missing, Refused, Transient
from schemas.recorder import Recorder
from search import tree
from search.access import roles
from search.access.bound import Look
from search.access.pseudonyms import Pseudonyms
from search.access.viewer import Viewer
from search.audit import Auditor
from search.bodies import Bodies
from search.policy.lexicon import Lexicon, NumberChanged, Rule
from search.query import Between, TokenQuery
from search.results import hit
from search.web.oversight import PolicyView, RuleFound, RunView, Sample

READ: Final = "policies_read"
TESTED: Final = "policy_test"
SAMPLES: Final = 5
# A policy that is typed; the files of a folder may be larger.
SOURCE_BYTES_MAX: Final = 32 * 1024
# Runs that are remembered; of older ones nothing is left but the record.
_RUNS_MAX: Final = 20
_KEEP_MS: Final = 4 * 3_600_000
_RUNNING_MAX: Final = 1
# Between two that one person begins: each is a process, and a record that stays.
_BETWEEN_MS: Final = 10_000
_BATCH: Final = 500
_ID_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class _Job:
    run_id: str
    person: str
    file: PolicyFile
    began_at: int
    run: Run


class ConsolePolicies:
    """For any number of threads."""

    def __init__(self, wire: Wire, threads: Threads, auditor: Auditor, recorder: Recorder,
                 masks: Callable[[], Pseudonyms]) -> None:
        self._wire, self._threads = wire, threads
        self._auditor, self._recorder, self._masks = auditor, recorder, masks
        self._jobs: dict[str, _Job] = {}
        # When each person began the last one, UTC ms.
        self._began: dict[str, int] = {}
        self._lock = threading.Lock()

    def every(self, viewer: Viewer) -> tuple[PolicyView, ...]:
        """See PoliciesPort."""
        viewer.require(roles.POLICY_READ)
        known = read_folder(self._wire)
        chosen_now = in_force(self._wire, known)
        self._auditor.record(READ, viewer.person, None, {"count": str(len(known)),
                                                         "session": viewer.session})
        return tuple(_view(one, chosen_now) for one in reversed(known))

    def begin(self, viewer: Viewer, name: str, source: str, since: int | None,
              until: int | None) -> str:
        """See PoliciesPort."""
        viewer.require(roles.POLICY_TEST)
        if since is not None and until is not None and since >= until:
            raise Refused("the first day comes after the last")
        file = self._file(name, source)
        if viewer.pseudonyms and file.path.name == TYPED:
            _require_nobody(file.policy, "leave out from:, to:, with: and conversation: in its "
                            "queries and lists, and from, to, with and exempt in the policy and "
                            "its rules")
        if viewer.pseudonyms and not (since is None and until is None):
            # Day by day its counts would say which of the messages of those days are whose.
            _require_nobody(file.policy, "try it on the whole archive, without a first or a last "
                            "day")
        # What a run would refuse is said now: a group that the directory lacks.
        engine(self._wire, [file.policy])
        if self._threads.own().bound.whole() is None:
            raise Refused("nothing is indexed yet, so there is nothing to try a policy on")
        run_id = self._wire.random(_ID_BYTES).hex()
        job = _Job(run_id, viewer.person, file, self._wire.clock(),
                   Run(self._wire.home, file.source, since, until))
        with self._lock:
            self._forget()
            if sum(one.run.state == RUNNING for one in self._jobs.values()) >= _RUNNING_MAX:
                raise Refused("another dry run is going on; try again when it is done")
            self._began = {person: at for person, at in self._began.items()
                           if 0 <= job.began_at - at < _BETWEEN_MS}
            if viewer.person in self._began:
                raise Refused("you began a dry run a moment ago; wait ten seconds, then try again")
            self._began[viewer.person] = job.began_at
            self._jobs[run_id] = job
        try:
            self._recorder.record(record_of(self._wire, file, since, until, viewer.person))
            # Recorded: from here it may be looked for.
            job.run.start()
        except BaseException as error:
            # One that is kept as running would let nobody begin another.
            job.run.stop()
            with self._lock:
                self._jobs.pop(run_id, None)
                self._began.pop(viewer.person, None)
            if not isinstance(error, OSError | Transient):
                raise
            raise Transient(f"the dry run could not begin: {type(error).__name__}") from error
        return run_id

    def run(self, viewer: Viewer, run_id: str) -> RunView:
        """See PoliciesPort."""
        viewer.require(roles.POLICY_TEST)
        job = self._job(viewer, run_id)
        made = _run_view(job)
        if made.state != DONE:
            return made
        own = self._threads.own()
        look = own.bound.look(viewer)
        rules, shown = self._found(own.bodies, look, viewer, job)
        messages = look.shown.count(
            TokenQuery(Between(job.run.since, job.run.until))) if look else 0
        self._auditor.record(TESTED, viewer.person, None, {
            "policy": f"{job.file.policy.policy_id}/{job.file.policy.version}", "run": run_id,
            "shown": " ".join(shown), "session": viewer.session})
        # Recorded: from here it may be seen.
        return replace(made, rules=rules, messages=messages)

    def runs(self, viewer: Viewer) -> tuple[RunView, ...]:
        """See PoliciesPort."""
        viewer.require(roles.POLICY_TEST)
        with self._lock:
            self._forget()
            mine = [one for one in self._jobs.values() if one.person == viewer.person]
        return tuple(_run_view(one) for one in reversed(mine))

    def stop(self, viewer: Viewer, run_id: str) -> None:
        """See PoliciesPort."""
        viewer.require(roles.POLICY_TEST)
        self._job(viewer, run_id).run.stop()

    def close(self) -> None:
        """The console ends, and with it what it began."""
        with self._lock:
            for one in self._jobs.values():
                one.run.stop()

    def _file(self, name: str, source: str) -> PolicyFile:
        if not source.strip():
            if not name:
                raise Refused("choose a policy, or write one")
            return chosen(self._wire, name)
        body = source.replace("\r\n", "\n").encode()
        if len(body) > SOURCE_BYTES_MAX:
            raise Refused(f"at most {SOURCE_BYTES_MAX // 1024} kB; put a larger one into the "
                          "folder policies/")
        return typed(self._wire, body)

    def _job(self, viewer: Viewer, run_id: str) -> _Job:
        with self._lock:
            found = self._jobs.get(run_id)
        if found is None or found.person != viewer.person:
            raise Missing("there is no such dry run")
        return found

    def _forget(self) -> None:
        ended = [one for one in self._jobs.values() if one.run.state != RUNNING]
        old = self._wire.clock() - _KEEP_MS
        for one in ended[:max(0, len(self._jobs) - _RUNS_MAX + 1)]:
            del self._jobs[one.run_id]
        for one in ended:
            if one.began_at < old:
                self._jobs.pop(one.run_id, None)

    def _found(self, bodies: Bodies, look: Look | None, viewer: Viewer,
               job: _Job) -> tuple[tuple[RuleFound, ...], Sequence[str]]:
        """(what each rule found, ids of what is shown of it), within the viewer's scope."""
        hits = job.run.hits
        seen = frozenset(_visible(look, dict.fromkeys(one.doc_id for one in hits)))
        by_rule: dict[str, list[Hit]] = {}
        for one in hits:
            if one.doc_id in seen:
                by_rule.setdefault(one.rule, []).append(one)
        # Beside a pseudonym a rule about somebody would say whose it is; its counts do not.
        silent = {one.rule_id for one in job.file.policy.rules
                  if viewer.pseudonyms and _is_about(job.file.policy, one)}
        picked = {rule: _sampled(several) for rule, several in by_rule.items()
                  if rule not in silent}
        wanted = {one.doc_id for several in picked.values() for one in several}
        stored = look.shown.get(wanted) if look else {}
        assigned = look.assigned if look else Assignments()
        masks = self._masks() if viewer.pseudonyms and stored else None

        def sample(one: Hit) -> Sample:
            made = hit(stored[one.doc_id].document, bodies, assigned=assigned)
            return Sample(masks.hit(made) if masks else made, one.reason, one.severity)
        out = []
        for rule in job.file.policy.rules:
            several = by_rule.get(rule.rule_id, [])
            out.append(RuleFound(
                rule.rule_id, rule.why, len(several), len({one.doc_id for one in several}),
                tuple(sample(one) for one in picked.get(rule.rule_id, ())
                      if one.doc_id in stored)))
        return tuple(out), sorted(stored)


def _sampled(hits: Sequence[Hit]) -> list[Hit]:
    """Some from all over the time, not the first: each message once."""
    each = list({one.doc_id: one for one in sorted(hits, key=lambda one: -one.at)}.values())
    step = max(1, len(each) // SAMPLES)
    return each[::step][:SAMPLES]


def _require_nobody(policy: Lexicon, instead: str) -> None:
    """Raises Refused for a policy with a rule that would tell who is behind a pseudonym;
    `instead`: what to do."""
    named = [rule.rule_id for rule in policy.rules if _is_about(policy, rule)]
    if named:
        raise Refused(f"names are hidden here, and the rule {named[0]} asks about people: "
                      f"{instead}")


def _is_about(policy: Lexicon, rule: Rule) -> bool:
    """Whether what a rule finds says who somebody is: it names people, groups or conversations."""
    asked = rule.conditions
    if (policy.exempt or rule.exempt or asked.senders or asked.recipients or asked.parties):
        return True
    # Also a term that speaks against a hit.
    trees = [one for one in (rule.tree, *(term.tree for term in rule.terms)) if one is not None]
    if isinstance(rule.revision, NumberChanged):
        trees.append(rule.revision.ok_tree)
    return any(isinstance(leaf, tree.Party)
               or (isinstance(leaf, tree.Value) and leaf.name == "conversation")
               for one in trees for leaf in tree.leaves(one))


def _visible(look: Look | None, doc_ids: Iterable[str]) -> Iterator[str]:
    if look is None:
        return
    left = iter(doc_ids)
    while batch := list(islice(left, _BATCH)):
        yield from look.shown.get(batch)


def _run_view(job: _Job) -> RunView:
    run, policy = job.run, job.file.policy
    name = f"{policy.policy_id}/{policy.version}"
    if job.file.path.name == TYPED:
        name += " (as typed)"
    return RunView(job.run_id, name, policy.title, run.state, run.percent, run.since, run.until,
                   job.began_at, not run.is_whole, run.problem)


def _view(file: PolicyFile, now: Sequence[PolicyFile]) -> PolicyView:
    policy = file.policy
    return PolicyView(
        policy.policy_id, policy.version, policy.title, policy.effective.isoformat(),
        _state(policy, [one.policy for one in now]), policy.severity, policy.mandatory,
        policy.author, policy.approver, tuple((one.rule_id, one.why) for one in policy.rules),
        file.path.name, file.source.decode("utf-8", "replace"))


def _state(policy: Lexicon, now: Sequence[Lexicon]) -> str:
    if any(policy is one for one in now):
        return "in force"
    later = Counter(one.policy_id for one in now if one.version > policy.version)
    return "replaced" if later[policy.policy_id] else "to come"
