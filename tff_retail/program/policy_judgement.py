"""What a release policy says of a manifest and of its graphs, before anything runs."""

from tff_retail.privacy.egress_contract import EgressContract
from tff_retail.privacy.finding import Finding
from tff_retail.privacy.protobuf_fields import MalformedMessage
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.privacy.value_type import read_work_type
from tff_retail.program.store_manifest import StoreManifest


def judge_manifest(policy: ReleasePolicy, manifest: StoreManifest) -> list[Finding]:
    """What the policy does not take of a manifest, apart from its graphs' contents."""
    found = []
    if policy.trust == "pinned":
        for digest in filter(None, [*manifest.works.values(), manifest.backbone_work]):
            if digest not in policy.pinned_graphs:
                sentence = f"the graph {digest} is not among the policy's pinned_graphs; pin it"
                found.append(Finding("pinned_graphs", digest, sentence))
    if manifest.batch_size < policy.min_batch_size:
        sentence = (
            f"a batch must have {policy.min_batch_size} photographs, found {manifest.batch_size}; "
            "change the run, or min_batch_size in the policy"
        )
        found.append(Finding("min_batch_size", "train", sentence))
    if manifest.validation_fraction > policy.max_validation_fraction:
        sentence = (
            f"{policy.max_validation_fraction:g} of the photographs may be kept from training, "
            f"found {manifest.validation_fraction:g}; change the run, or max_validation_fraction "
            "in the policy"
        )
        found.append(Finding("max_validation_fraction", "manifest", sentence))
    return found


def judge_work(policy: ReleasePolicy, role: str, computation: bytes) -> list[Finding]:
    """What the policy does not let out of what a graph gives.

    Args:
      policy: of the store.
      role: `train` or `evaluate`.
      computation: serialised.
    """
    try:
        return EgressContract(policy.role(role), read_work_type(computation)).findings()
    except MalformedMessage as error:
        return [Finding("egress_outputs", role, f"the graph must have a type, found {error}")]
