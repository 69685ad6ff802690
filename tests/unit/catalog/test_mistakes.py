"""Every mistake in `channels.yaml` is named with place and nearest right key, in one run."""

from __future__ import annotations

import pytest

from broker.catalog import Catalog, CatalogError

MISTAKES = """\
version: 2
default: {}
defaults:
  histroy: {messages: 10}
  max_message: 64kb
channels:
  - nmae: a
  - name: b
    descripton: typo
    history: {message: 10}
  - name: c
    history: {messages: many, ago: 1h}
  - name: d
    history: {messages: -1, age: 90}
  - name: e
    history: {messages: 10, age: 400d}
  - name: f
    max_mesage: 64k
    max_message: 1g
  - name: g.{app_id
  - name: g.{a}{b}
  - name: g..{a}
  - name: g.{a}.{a}
  - name: 'g*'
  - name: h.{app_id}
    subscibe: public
    subscribe: publik
  - name: i.{app_id}
    subscribe: [public]
    publish: public
  - name: j.{app_id}.{user_id}
    subscribe:
      - {app_id: "{appid}"}
      - {sub: "{user_id}", app_id: {app_id}}
      - {exp: 7}
      - {role:}
      - {role: [a, b]}
      - [role]
  - name: k.{x}
    subscribe:
      - {}
      - {role: operator}
  - name: l.{x}
    subscribe: {role: operator}
    subscribe: []
  - name: k.{y}
  - name: k.fixed
  - name: k.{x}
  - just-a-name
  - name: {m: 1}
  - name:
"""

EXPECTED = """\
1:10: version must be 1, not "2"
2:1: unknown key "default" in the file; did you mean "defaults"? (allowed: version, defaults, channels, mounts)
4:3: unknown key "histroy" in defaults; did you mean "history"? (allowed: history, max_message, slow_reader)
5:16: max_message cannot be "64kb": a size is a whole number of bytes, or one with k or m, for example 64k
7:5: unknown key "nmae" in an entry; did you mean "name"? (allowed: name, description, history, max_message, slow_reader, subscribe, publish)
7:5: the entry has no name
9:5: unknown key "descripton" in an entry; did you mean "description"? (allowed: name, description, history, max_message, slow_reader, subscribe, publish)
10:15: unknown key "message" in history; did you mean "messages"? (allowed: messages, age)
12:25: messages must be a whole number from 0 to 1000000, not "many"
12:31: unknown key "ago" in history; did you mean "age"? (allowed: messages, age)
14:25: messages must be a whole number from 0 to 1000000, not "-1"
14:34: age cannot be "90": a duration is a whole number and a unit (s, m, h, d), for example 30m
16:34: age must be from 1s to 30d, not "400d"
18:5: unknown key "max_mesage" in an entry; did you mean "max_message"? (allowed: name, description, history, max_message, slow_reader, subscribe, publish)
19:18: max_message cannot be "1g": a size is a whole number of bytes, or one with k or m, for example 64k
20:11: a variable is a name in braces, for example {user_id}; "{app_id" is not
21:11: one segment can hold one variable, "{a}{b}" has 2
22:11: a pattern cannot hold an empty segment
23:11: a pattern names each variable once, "g.{a}.{a}" repeats one
24:11: no channel can match the pattern "g*": a channel name cannot hold an asterisk: "g*"
26:5: unknown key "subscibe" in an entry; did you mean "subscribe"? (allowed: name, description, history, max_message, slow_reader, subscribe, publish)
27:16: subscribe must be a list of rules or the word public, not "publik"; did you mean "public"? (allowed: public)
29:17: a rule must be a mapping of claims to values, not "public"; write subscribe: public, without a list
30:14: publish cannot be public; it takes a list of rules
33:18: the pattern has no variable {appid}; did you mean "app_id"? (allowed: app_id, user_id)
34:36: the claim app_id has a mapping; a variable needs quotes: "{app_id}"
35:10: no rule can ask for the claim exp; the broker checks it
36:15: the claim role has no value
37:16: the claim role has a list; write one rule for each value, rules are alternatives
38:9: a rule must be a mapping of claims to values, not a list
42:9: this rule decides nothing: whoever satisfies it satisfies the rule in line 41, which asks for no more
44:16: subscribe must be a list of rules; put a dash before the rule
45:5: the key "subscribe" is already given in line 44
46:11: the pattern "k.{y}" can never match: "k.{x}" in line 39 takes all its channels; put the narrower one first
47:11: the pattern "k.fixed" can never match: "k.{x}" in line 39 takes all its channels; put the narrower one first
48:11: the pattern "k.{x}" is already given in line 39
49:5: an entry is a mapping; write name: just-a-name
50:11: name must be text, not a mapping
51:10: name must be text, not empty
"""  # noqa: E501 - a message is a line


def problems(text: str | bytes) -> list[str]:
    """Return what is wrong with a text, without the file's name."""
    with pytest.raises(CatalogError) as caught:
        Catalog.parse(text, "c.yaml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("c.yaml:") for line in lines)
    return [line.removeprefix("c.yaml:") for line in lines]


def test_thirty_mistakes_are_named_in_one_run() -> None:
    """Each with its line and column, what is allowed, and the nearest right key."""
    assert EXPECTED.splitlines() == problems(MISTAKES)
    assert 30 <= len(EXPECTED.splitlines())


ENTRY = "channels:\n  - name: a\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: the file is empty; it needs the list channels"]),
        ("# nothing\n", ["1:1: the file is empty; it needs the list channels"]),
        ("---\n~\n", ["2:1: the file is empty; it needs the list channels"]),
        ("hello",
         ['1:1: the file must be a mapping with version, defaults, channels, mounts, not "hello"']),
        ("- a",
         ["1:1: the file must be a mapping with version, defaults, channels, mounts, not a list"]),
        ("version: 1", ["1:1: the file has no list channels"]),
        ("channels:", ["1:10: channels must be a list, not empty"]),
        ("channels: {a: 1}", ["1:11: channels must be a list, not a mapping"]),
        ("channels: []", ["1:11: channels is empty; nobody could read anything"]),
        ("channels:\n-\n", [("2:2: an entry must be a mapping with name, description, history,"
                            " max_message, slow_reader, subscribe, publish, not empty")]),
        ("channels:\n- [a]", [("2:3: an entry must be a mapping with name, description, history,"
                              " max_message, slow_reader, subscribe, publish, not a list")]),
        ("version: '1'\n" + ENTRY, ['1:10: version must be 1, not "1"']),
        ("version: 1.0\n" + ENTRY, ['1:10: version must be 1, not "1.0"']),
        ("defaults: 7\n" + ENTRY,
         ['1:11: defaults must be a mapping with history, max_message, slow_reader, not "7"']),
        ("defaults:\n  subscribe: public\n" + ENTRY,
         ['2:3: unknown key "subscribe" in defaults; allowed: history, max_message, slow_reader']),
        (ENTRY + "    history:\n",
         ["3:13: history must be a mapping with messages, age, not empty"]),
        (ENTRY + "    history: {messages: 10000000}\n",
         ['3:25: messages must be a whole number from 0 to 1000000, not "10000000"']),
        (ENTRY + "    history: {messages: ٣}\n",
         ['3:25: messages must be a whole number from 0 to 1000000, not "٣"']),
        (ENTRY + "    history: {messages: [1]}\n",
         ["3:25: messages must be a whole number from 0 to 1000000, not a list"]),
        (ENTRY + "    history: {age: 0s}\n", ['3:20: age must be from 1s to 30d, not "0s"']),
        (ENTRY + "    history: {age: 1:30}\n",
         [('3:20: age cannot be "1:30": a duration is a whole number and a unit (s, m, h, d),'
          " for example 30m")]),
        (ENTRY + "    history: {age: }\n", ["3:19: age must be text, not empty"]),
        (ENTRY + "    max_message: 0\n", ['3:18: max_message must be from 1 to 16m, not "0"']),
        (ENTRY + "    max_message: 17m\n", ['3:18: max_message must be from 1 to 16m, not "17m"']),
        (ENTRY + "    max_message: {}\n", ["3:18: max_message must be text, not a mapping"]),
        (ENTRY + "    slow_reader: conflat\n",
         [('3:18: unknown slow_reader "conflat"; did you mean "conflate"? (allowed: catch_up,'
          " conflate, close)")]),
        (ENTRY + "    slow_reader: [close]\n",
         ["3:18: slow_reader must be text, not a list"]),
        (ENTRY + "    slow_reader:\n",
         ["3:17: slow_reader must be text, not empty"]),
        (ENTRY + "    history: {messages: 0}\n    slow_reader: conflate\n",
         [("4:18: slow_reader cannot be conflate where history keeps no message; it needs one")]),
        ("defaults: {slow_reader: conflate}\n" + ENTRY + "    history: {messages: 0}\n",
         [("4:14: slow_reader cannot be conflate where history keeps no message; it needs one")]),
        (ENTRY + "    description: []\n", ["3:18: description must be text, not a list"]),
        (ENTRY + "    subscribe:\n", ["3:15: subscribe must be a list, not empty"]),
        (ENTRY + "    subscribe: [{}, {}]\n",
         [("3:21: this rule decides nothing: whoever satisfies it satisfies the rule in line 3,"
          " which asks for no more")]),
        (ENTRY + "    subscribe: [x]\n",
         ['3:17: a rule must be a mapping of claims to values, not "x"']),
        (ENTRY + '    subscribe: [{sub: "{user_id}"}]\n',
         ["3:23: the pattern has no variable {user_id}; it has none"]),
        (ENTRY + '    subscribe: [{sub: "{user id}"}]\n',
         ['3:23: a variable is a name in braces; "{user id}" is malformed']),
        (ENTRY + '    subscribe: [{sub: ""}]\n', ["3:23: the claim sub has no value"]),
        (ENTRY + "    subscribe: [{sub: {}}]\n", ["3:23: the claim sub has no value"]),
        (ENTRY + '    subscribe: [{"": x}]\n', ["3:18: a claim needs a name"]),
        (ENTRY + "    publish: [public]\n",
         ['3:15: a rule must be a mapping of claims to values, not "public"']),
        ("channels:\n  - name: a..{x}\n    subscribe: [{sub: '{y}'}]\n",
         ["2:11: a pattern cannot hold an empty segment"]),
        ("channels:\n  - name: ''\n", ["2:11: a pattern cannot hold an empty segment"]),
        ("channels:\n  - name: ALL\n",
         ['2:11: no channel can match the pattern "ALL": the channel name is reserved: "ALL"']),
        ("channels:\n  - name: ~\n", ["2:11: name must be text, not empty"]),
        ("channels:\n  - name: a\n  - name: '{x}'\n  - name: b\n",
         [('4:11: the pattern "b" can never match: "{x}" in line 3 takes all its channels;'
          " put the narrower one first")]),
    ],
    ids=repr,
)  # fmt: skip
def test_a_mistake_is_named_where_it_is(text: str, expected: list[str]) -> None:
    """One sentence for each, and nothing that only follows from it."""
    assert expected == problems(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channels:\n\t- name: a\n", "2:1: a tab cannot indent; use spaces"),
        ("channels:\n  - name: a\n\tb: c\n", "3:1: a tab cannot indent; use spaces"),
        (ENTRY + "---\n" + ENTRY,
         "3:1: the file must hold one document; remove what follows this ---"),
        ("a: &x [1]\nchannels: *x\n",
         "2:11: aliases (*x) are not supported; write the value out"),
        ("channels: !!python/object:os.system []",
         "1:11: tags (tag:yaml.org,2002:python/object:os.system) are not supported; remove it"),
        ("channels: [", ("1:12: this is not YAML: expected the node content, but found"
                        " '<stream end>' while parsing a flow node")),
        ("channels: 'a", ("1:13: this is not YAML: found unexpected end of stream while scanning"
                         " a quoted scalar")),
        ("a: b: c", "1:5: this is not YAML: mapping values are not allowed here"),
        ("a: @b", ("1:4: this is not YAML: found character '@' that cannot start any token"
                  " while scanning for the next token")),
        ("channels: \x07", r'1:11: the character "\u0007" is not allowed'),
        ("a: 1\nb: \ud800", r'2:4: the character "\ud800" is not allowed'),
        ('a: "\\U99999999"', "1:1: an escape sequence behind this names no character"),
        ('channels: "\\ud800"', r'1:11: a control character in "\ud800"'),
        ("? [a]\n: b\n", "1:3: a key must be a single word; quote a variable"),
        ("{a}: b", "1:1: a key must be a single word; quote a variable"),
        ("channels: " + "[" * 17, "1:26: nested more than 16 deep"),
        ("channels: " + "[" * 100_000, "1:26: nested more than 16 deep"),
        ("channels: " + "{a: " * 20, "1:71: nested more than 16 deep"),
        ("#" * 1024 * 1024 + "\n", "1:1: the file is larger than 1048576 bytes"),
        (b"channels:\n  - name: \xff\n", "2:11: this byte is not UTF-8"),
        (b"\xff", "1:1: this byte is not UTF-8"),
    ],
    ids=lambda text: repr(text[:40]),
)  # fmt: skip
def test_what_is_no_plain_yaml_is_refused_with_its_place(text: str | bytes, expected: str) -> None:
    """Nothing is guessed, nothing grows, and no trace of the parser shows."""
    assert expected in problems(text)


def test_an_alias_bomb_stays_small() -> None:
    """Every alias is refused where it stands, instead of being followed."""
    levels = [
        f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 10)
    ]
    found = problems("\n".join(["l0: &l0 [x]", *levels]))
    assert 81 == sum("aliases" in problem for problem in found)


def test_what_stands_for_an_alias_is_not_a_second_mistake() -> None:
    """Whether it is a key, a rule or the value of a claim."""
    text = f"{ENTRY}    subscribe: [*a, {{sub: *b}}, {{*c : d}}]\n    description: *d\n"
    places = ["3:17", "3:27", "3:33", "4:18"]
    assert [
        f"{place}: aliases (*{name}) are not supported; write the value out"
        for place, name in zip(places, "abcd", strict=True)
    ] == problems(text)


def test_two_hundred_mistakes_are_enough() -> None:
    """What comes after them is counted."""
    with pytest.raises(CatalogError) as caught:
        Catalog.parse(ENTRY + "".join(f"    k{number}: 1\n" for number in range(500)))
    assert 200 == len(caught.value.problems)
    assert str(caught.value).endswith("\nand 300 more")


def test_too_many_of_anything_is_a_mistake() -> None:
    """Entries, rules and claims have limits."""
    entries = "channels:\n" + "".join(f"  - name: c{number}\n" for number in range(1001))
    assert ["2:3: channels has 1001 members, the limit is 1000"] == problems(entries)
    rules = ", ".join(f"{{sub: u{number}}}" for number in range(33))
    expected = ["3:16: subscribe has 33 members, the limit is 32"]
    assert expected == problems(f"{ENTRY}    subscribe: [{rules}]\n")
    claims = ", ".join(f"c{number}: x" for number in range(17))
    expected = ["3:17: a rule with 17 claims, the limit is 16"]
    assert expected == problems(f"{ENTRY}    subscribe: [{{{claims}}}]\n")
