"""The rules of one entry: who may read, who may publish."""

from __future__ import annotations

from broker.catalog.document import Broken, Listing, Node, Scalar, Table
from broker.catalog.problems import suggest
from broker.catalog.values import ValueReader
from broker.core.channels import shown
from broker.core.rules import VARIABLE, Claim, Pattern, Place, Rule

MAX_RULES = 32
"""Rules of one entry for one action."""

MAX_CLAIMS = 16
"""Claims in one rule."""

PUBLIC = "public"

_UNASKABLE = frozenset({"exp", "nbf", "iat", "channels"})


class RuleReader:
    """
    Reads `subscribe` and `publish` of one entry.

    Args:
        values: Reads values and collects problems.
        pattern: The entry's pattern, for its variables; None where it could not be read.
    """

    def __init__(self, values: ValueReader, pattern: Pattern | None) -> None:
        self._values = values
        self._report = values.report
        self._pattern = pattern

    def subscribe(self, node: Node) -> tuple[bool, tuple[Rule, ...]]:
        """
        Read who may read.

        Returns:
            Whether anyone may, without a token; and the rules.
        """
        if not isinstance(node, Scalar) or node.is_null:
            return False, self._rules(node, "subscribe")
        if node.text != PUBLIC:
            self._report(
                node.place,
                f"subscribe must be a list of rules or the word {PUBLIC}, not {shown(node.text)};"
                f" {suggest(node.text, [PUBLIC])}",
            )
        return node.text == PUBLIC, ()

    def publish(self, node: Node) -> tuple[Rule, ...]:
        """Read who may publish over a public transport."""
        if isinstance(node, Scalar) and node.text == PUBLIC:
            self._report(node.place, f"publish cannot be {PUBLIC}; it takes a list of rules")
            return ()
        return self._rules(node, "publish")

    def _rules(self, node: Node, key: str) -> tuple[Rule, ...]:
        if isinstance(node, Table):
            self._report(node.place, f"{key} must be a list of rules; put a dash before the rule")
            return ()
        rules: list[Rule] = []
        for item in self._values.listing(node, key, MAX_RULES):
            rule = self._rule(item, key)
            if rule is not None:
                self._check_reached(rule, rules)
                rules.append(rule)
        return tuple(rules)

    def _check_reached(self, rule: Rule, before: list[Rule]) -> None:
        weaker = next((other for other in before if other.covers(rule)), None)
        if weaker is not None:
            self._report(
                rule.place,
                "this rule decides nothing: whoever satisfies it satisfies the rule in line"
                f" {weaker.place.line}, which asks for no more",
            )

    def _rule(self, node: Node, key: str) -> Rule | None:
        if not isinstance(node, Table):
            if not isinstance(node, Broken):
                self._report(node.place, _rule_fault(node, key))
            return None
        if len(node.pairs) > MAX_CLAIMS:
            count = len(node.pairs)
            self._report(node.place, f"a rule with {count} claims, the limit is {MAX_CLAIMS}")
        claims = [self._claim(name, value) for name, value in node.pairs]
        good = tuple(claim for claim in claims if claim is not None)
        return Rule(good, node.place) if len(good) == len(claims) else None

    def _claim(self, name: Scalar, node: Node) -> Claim | None:
        if not name.text:
            self._report(name.place, "a claim needs a name")
        elif name.text in _UNASKABLE:
            self._report(
                name.place, f"no rule can ask for the claim {name.text}; the broker checks it"
            )
        elif isinstance(node, Scalar) and node.text and not node.is_null:
            return self._valued(name.text, node)
        elif not isinstance(node, Broken):
            self._report(node.place, f"the claim {name.text} {_claim_fault(node)}")
        return None

    def _valued(self, name: str, node: Scalar) -> Claim | None:
        if node.boolean is not None:
            return Claim(name, node.boolean)
        variables = tuple(VARIABLE.findall(node.text))
        rest = VARIABLE.sub("", node.text)
        if "{" in rest or "}" in rest:
            self._report(
                node.place, f"a variable is a name in braces; {shown(node.text)} is malformed"
            )
            return None
        return Claim(name, node.text, variables) if self._bound(variables, node.place) else None

    def _bound(self, variables: tuple[str, ...], place: Place) -> bool:
        if self._pattern is None:
            return True
        known = self._pattern.variables
        unknown = [variable for variable in variables if variable not in known]
        for variable in unknown:
            hint = suggest(variable, known) if known else "it has none"
            self._report(place, f"the pattern has no variable {{{variable}}}; {hint}")
        return not unknown


def _rule_fault(node: Scalar | Listing, key: str) -> str:
    found = shown(node.text) if isinstance(node, Scalar) else "a list"
    is_public = isinstance(node, Scalar) and node.text == PUBLIC and key == "subscribe"
    hint = f"; write {key}: {PUBLIC}, without a list" if is_public else ""
    return f"a rule must be a mapping of claims to values, not {found}{hint}"


def _claim_fault(node: Node) -> str:
    if isinstance(node, Table) and node.pairs:
        return f'has a mapping; a variable needs quotes: "{{{node.pairs[0][0].text}}}"'
    if isinstance(node, Listing):
        return "has a list; write one rule for each value, rules are alternatives"
    return "has no value"
