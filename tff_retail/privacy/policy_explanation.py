"""A release policy in plain sentences, for whoever answers for the store's photographs."""

from collections.abc import Iterator, Mapping

from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.privacy.role_release import UNNAMED, RoleRelease

_TRUST = {
    "signed": "Graphs run here that belong to a manifest signed by the chain's key.",
    "pinned": (
        "Graphs run here that belong to a manifest signed by the chain's key and are among the "
        "{number} whose digests the policy lists."
    ),
    "allow_list_only": (
        "ANY graph may run here, signed or not, as long as it passes the checks: whoever is "
        "headquarters chooses. This is for experiments."
    ),
}
_REPORTS = {
    "all": (
        "Of itself the store tells how its work went, how many seconds it took and how many "
        "photographs it has to train on and to evaluate with; that number only while there are as "
        "many as each role needs."
    ),
    "health": "Of itself the store tells how its work went, and neither times nor numbers.",
    "nothing": "Of itself the store tells nothing.",
}


def explain_policy(policy: ReleasePolicy) -> list[str]:
    """What the policy lets out, a sentence or a few each."""
    return [
        _TRUST[policy.trust].format(number=len(policy.pinned_graphs)),
        "Every graph is checked before it is loaded: its operations stand on a list that has none "
        "for files, network, programs or printing, and it takes this store's own examples and no "
        f"other data. It may have {policy.graphs.max_graph_bytes:,} bytes and "
        f"{policy.graphs.max_nodes:,} operations.",
        "What leaves is the result of an approved graph on all of the store's photographs of the "
        "run's labels, in the form listed here. There is no output for a photograph, a part of "
        "one, or its name.",
        *_role("Training", policy.train),
        *_role("Evaluation", policy.evaluate),
        f"Results leave from {policy.hours}, local time: in a day for "
        f"{policy.max_rounds_per_day:,} rounds at most, for each round "
        f"{policy.max_bytes_per_round:,} bytes at most. One round is answered for "
        f"{policy.max_questions_per_round} different questions a day, in each role.",
        f"Manifests may choose among the photographs, by labels or by validation fraction, in "
        f"{policy.max_selections_per_day} ways a day; {policy.max_validation_fraction:.0%} at most "
        f"may be kept from training, and a batch has {policy.min_batch_size} or more.",
        _REPORTS[policy.reports],
        _sandbox(policy),
        "A call that is refused is told the rule's name; everything else about it stands in the "
        "store's own log.",
        "Not promised: whoever sees an update alone can learn something of the photographs that it "
        "was made of. And no check can tell what a graph's numbers mean: one that is approved, by "
        "somebody who means ill, can hide photographs in an update of the right shape; trust = "
        '"pinned" is against that.',
    ]


def _role(name: str, release: RoleRelease) -> Iterator[str]:
    if not release.open:
        yield f"{name}: nothing leaves, the store does not take part."
        return
    parts = []
    if release.updates:
        times = "" if release.updates == 1 else f", {release.updates} times"
        parts.append(f"an update as large as the weights that were sent{times}")
    if release.scalars:
        parts.append(f"single numbers named {_names(release.scalars)}")
    if release.vectors:
        parts.append(f"counts of photographs named {_sized(release.vectors)}")
    if release.per_label:
        parts.append(
            f"counts by label named {_sized(release.per_label)}, where each label that is there "
            f"has {release.min_examples_per_label} photographs or more"
        )
    if not parts:
        yield f"{name}: nothing is listed, so nothing leaves."
        return
    yield (
        f"{name}: {'; '.join(parts)}. Of at least {release.min_examples} photographs, at least so "
        f"many labels among them: {release.min_labels}."
    )


def _names(names: tuple[str, ...]) -> str:
    shown = ["an update's weight (unnamed)" if name == UNNAMED else name for name in names]
    return ", ".join(shown)


def _sized(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({most:,} numbers)" for name, most in sizes.items())


def _sandbox(policy: ReleasePolicy) -> str:
    if policy.sandbox == "required":
        return (
            "The process that has the photographs runs without network and does not start where "
            "the kernel can't confine it."
        )
    return (
        "The process that has the photographs is confined as far as this machine's kernel can: "
        "the daemon says at its start how far."
    )
