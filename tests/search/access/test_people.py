"""What the firm's rules come to for one person: roles, groups, matters, walls, privilege."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas import events
from schemas.directory import Directory
from schemas.errors import Denied, Refused
from search.access import people, roles
from search.access.people import AccessPolicy, Grant, Person, Privilege, Settings, Wall, viewer_of
from search.access.scope import EVERYTHING, Reach
from search.access.viewer import operator
from tests.search.access.firm import DAY, DIRECTORY, GROUP_CHAT, POLICY
from tests.search.world import NOON


def test_groups_and_matters_give() -> None:
    """A group gives its members' messages, a matter those of its custodians, time and talks."""
    rita = viewer_of(POLICY, DIRECTORY, "rita", NOON)
    assert rita.scope.reaches == (Reach(frozenset({"ann", "ben"})),)
    max_ = viewer_of(POLICY, DIRECTORY, "max", NOON)
    assert max_.scope.reaches == (
        Reach(frozenset({"cleo"}), NOON, NOON + DAY),
        Reach(frozenset({"dora"}), conversations=frozenset({GROUP_CHAT})))
    assert viewer_of(POLICY, DIRECTORY, "carl", NOON).scope.reaches == (Reach(None),)


def test_a_supervisor_sees_the_groups_that_name_him() -> None:
    """As directory.toml says; a reviewer is not given a group by it."""
    assert viewer_of(POLICY, DIRECTORY, "sue", NOON).scope.reaches == (
        Reach(frozenset({"ann", "ben"})),)
    as_reviewer = replace(POLICY, people=(Person("sue", "Sue", (roles.REVIEWER,)),))
    assert viewer_of(as_reviewer, DIRECTORY, "sue", NOON).scope.reaches == ()


@pytest.mark.parametrize("person", ["ada", "otto"])
def test_who_has_no_content_role_sees_no_message(person: str) -> None:
    """Whatever groups the file gives them, and whatever two people open."""
    policy = replace(POLICY, people=tuple(
        replace(one, groups=("*",), matters=("*",)) for one in POLICY.people))
    grant = Grant("g", person, "everything", NOON + 1)
    scope = viewer_of(policy, DIRECTORY, person, NOON, (grant,)).scope
    assert (scope.reaches, scope.also) == ((), ())
    assert events.MESSAGE not in scope.firm_kinds


@pytest.mark.parametrize("person", ["gone", "nobody"])
def test_who_is_unknown_or_left_is_denied_in_the_same_words(person: str) -> None:
    """Nobody learns by asking who works here."""
    with pytest.raises(Denied) as caught:
        viewer_of(POLICY, DIRECTORY, person, NOON)
    assert str(caught.value) == "you have no access here"


def test_a_role_may_what_the_table_says() -> None:
    """No role has a capability that the table does not name; several roles add up."""
    assert set(roles.ROLES) == {"reviewer", "supervisor", "compliance", "legal", "auditor",
                                "administrator"}
    assert all(may <= roles.CAPABILITIES for may in roles.ROLES.values())
    assert roles.capabilities(("reviewer", "auditor")) == (
        roles.ROLES["reviewer"] | roles.ROLES["auditor"])
    assert roles.capabilities(("god",)) == frozenset()
    assert roles.CAPABILITIES == frozenset().union(*roles.ROLES.values())
    for role in (roles.ADMINISTRATOR, roles.AUDITOR):
        assert not roles.sees_content(roles.ROLES[role])
    assert [role for role, may in roles.ROLES.items() if roles.PRIVILEGED in may] == ["legal"]
    assert not events.ANSWERING_KINDS & roles.firm_kinds(roles.CAPABILITIES)


@pytest.mark.parametrize("capability", sorted(roles.CAPABILITIES))
@pytest.mark.parametrize("person", ["rita", "sue", "carl", "lea", "otto", "ada"])
def test_a_viewer_may_only_what_the_role_may(person: str, capability: str) -> None:
    """Role × capability; the words of a refusal are the same for all."""
    viewer = viewer_of(POLICY, DIRECTORY, person, NOON)
    found = POLICY.active(person)
    if capability in roles.ROLES[found.roles[0]]:
        viewer.require(capability)
        return
    with pytest.raises(Denied) as caught:
        viewer.require(capability)
    assert str(caught.value) == "you may not do this"


def test_the_operator_may_everything() -> None:
    """Whoever holds the data folder's keys; and what is no capability is a mistake of ours."""
    assert (operator("x").scope, operator("x").may) == (EVERYTHING, roles.CAPABILITIES)
    with pytest.raises(ValueError, match="no capability"):
        operator("x").require("everything")


WALL = Wall("w", "r", custodians=("ann",))


@pytest.mark.parametrize(("wall", "kept_out"), [
    (replace(WALL, against_people=("rita",)), {"rita"}),
    (replace(WALL, against_groups=("litigation",)), {"rita", "sue"}),
    (replace(WALL, against_groups=("corporate",)), set()),
    (replace(WALL, except_people=("carl", "lea")), {"rita", "sue", "max", "ada", "otto", "gone"}),
    (replace(WALL, except_people=()), {one.person_id for one in POLICY.people}),
    (replace(WALL, against_groups=("no such group",)),
     {one.person_id for one in POLICY.people}),
])
def test_whom_a_wall_keeps_out(wall: Wall, kept_out: set[str]) -> None:
    """People by name; of a group its members, its supervisors and whoever is given its messages; or
    everybody but a few. A group that the directory does not know is everybody."""
    assert kept_out == {one.person_id for one in POLICY.people
                        if people.is_kept_out(wall, DIRECTORY, one)}


def test_what_is_behind_a_wall() -> None:
    """A matter is its custodians in its time, as every phone has them; with conversations, those as
    whoever captured them. A matter that is not known is everything."""
    reach = people.wall_reach(Wall("w", "r", matter="4712"), DIRECTORY)
    assert (reach.custodians, reach.since, reach.until) == (frozenset({"cleo"}), NOON, NOON + DAY)
    assert [one.account for one in reach.held] == ["+15550000003"]
    assert people.wall_reach(Wall("w", "r", matter="4713"), DIRECTORY) == Reach(
        None, conversations=frozenset({GROUP_CHAT}))
    assert people.wall_reach(Wall("w", "r", matter="gone"), DIRECTORY) == Reach(None)


def test_privilege_is_withheld_also_where_it_was_designated_afterwards() -> None:
    """By compartment, by name, and by a rule that today's directory has; not from legal."""
    policy = replace(POLICY, privileged=Privilege(conversations=("pair:a|b",)))
    carl = viewer_of(policy, DIRECTORY, "carl", NOON).scope
    assert carl.withheld == frozenset({"privileged"})
    assert carl.withheld_conversations == {"pair:a|b", "group:advice"}
    lea = viewer_of(policy, DIRECTORY, "lea", NOON).scope
    assert (lea.withheld, lea.withheld_conversations) == (frozenset(), frozenset())


def test_a_grant_passes_only_what_it_names() -> None:
    """Privilege stays withheld in what was opened, unless it was asked for."""
    plain, = viewer_of(POLICY, DIRECTORY, "rita", NOON, (
        Grant("g", "rita", "matter:4712", NOON + 1),)).scope.also
    assert plain.reaches == (Reach(frozenset({"cleo"}), NOON, NOON + DAY),)
    assert plain.withheld == frozenset({"privileged"})
    opened, = viewer_of(POLICY, DIRECTORY, "rita", NOON, (
        Grant("g", "rita", "group:corporate", NOON + 1, privileged=True),)).scope.also
    assert opened.withheld == frozenset()
    unknown = viewer_of(POLICY, DIRECTORY, "rita", NOON, (
        Grant("g", "rita", "matter:gone", NOON + 1),))
    assert unknown.scope.also == ()


@pytest.mark.parametrize("what", ["", "all", "custodian:nobody", "group:", "matter:", "x:y",
                                  "conversation:"])
def test_what_may_be_opened_is_named_exactly(what: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(Refused):
        people.reach_of(what, DIRECTORY)
    assert people.reach_of("conversation:group:1:2", DIRECTORY).conversations == {"group:1:2"}


def test_nobody_reviews_himself_or_his_line() -> None:
    """His own messages, those of whoever he reports to, and so on up; a circle ends."""
    line = AccessPolicy((
        Person("a", "A", (roles.REVIEWER,), custodian="ca", reports_to=("b",)),
        Person("b", "B", (roles.SUPERVISOR,), custodian="cb", reports_to=("c",)),
        Person("c", "C", (roles.COMPLIANCE,), custodian="cc", reports_to=("a",)),
        Person("d", "D", (roles.REVIEWER,), custodian="cd")))
    assert people.line_of(line, "a") == {"ca", "cb", "cc"}
    assert people.line_of(line, "d") == {"cd"}
    assert people.line_of(line, "nobody") == frozenset()


def test_pseudonyms_are_for_whoever_sees_messages() -> None:
    """A setting of the firm's."""
    policy = replace(POLICY, settings=Settings(pseudonyms=True))
    assert viewer_of(policy, DIRECTORY, "carl", NOON).pseudonyms
    assert not viewer_of(policy, DIRECTORY, "otto", NOON).pseudonyms
    assert not viewer_of(POLICY, DIRECTORY, "carl", NOON).pseudonyms


def test_an_address_names_one_active_person() -> None:
    """Letters of any case; two of one address are nobody."""
    policy = AccessPolicy((
        Person("a", "A", (roles.REVIEWER,), email="A.Novak@example.com"),
        Person("b", "B", (roles.REVIEWER,), email="b@example.com", active=False),
        Person("c", "C", (roles.REVIEWER,), email="c@example.com"),
        Person("d", "D", (roles.REVIEWER,), email="C@example.com")))
    found = policy.by_email(" a.novak@EXAMPLE.com ")
    assert found is not None and found.person_id == "a"
    assert [policy.by_email(one) for one in ("b@example.com", "c@example.com", "")] == [None] * 3


def test_what_the_directory_does_not_know_is_said() -> None:
    """Each as a sentence, with what it means meanwhile."""
    policy = AccessPolicy(
        (Person("a", "A", (roles.REVIEWER,), ("x",), ("y",), custodian="z"),),
        (Wall("w", "r", matter="m", against_groups=("g",)),
         Wall("v", "r", custodians=("nobody",), except_people=())))
    said = people.problems(policy, Directory())
    assert [one.partition(":")[0] for one in said] == [
        "person a", "person a", "person a", "wall 'w'", "wall 'w'", "wall 'v'"]
    assert "sees no message at all" in said[3] and "keeps everybody out" in said[4]
    assert people.problems(POLICY, DIRECTORY) == []
