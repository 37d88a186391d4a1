"""What the rounds over real stores run on: their roles, a collector for each, and the roster."""

from collections.abc import Sequence

from tff_retail.config import RunConfig
from tff_retail.learning.metrics import local_metrics
from tff_retail.program.dropout_table import DropoutTable
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.remote_fleet import RemoteFleet
from tff_retail.program.run_directory import RunDirectory
from tff_retail.program.store_work import SPLITS
from tff_retail.program.update_bounds import UpdateBounds
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.plain_collector import Collection
from tff_retail.runtime.remote_collector import RemoteCollector
from tff_retail.runtime.remote_question import Questions
from tff_retail.runtime.remote_roster import RemoteRoster
from tff_retail.runtime.remote_store import RemoteStore


class RemoteRounds:
    """Rounds of training and evaluation; also the `Roster` that training chooses from.

    Args:
      config: of the run.
      directory: of the run.
      fleet: the stores.
      recogniser: whose graphs they run.
      kept_as: the name by which stores keep results.
    """

    def __init__(
        self,
        config: RunConfig,
        directory: RunDirectory,
        fleet: RemoteFleet,
        recogniser: Recogniser,
        kept_as: str,
    ) -> None:
        self._config, self._fleet, self._forms = config, fleet, recogniser.forms
        self._questions = {
            role: Questions(form["work"], split=SPLITS[role], run=kept_as)
            for role, form in self._forms.items()
        }
        self._collectors = {
            role: RemoteCollector(
                form,
                submit=fleet.submit,
                deadline_s=config.fleet.round_deadline_s,
                # An evaluation whose loss is NaN must say so, or the worst model looks the best.
                needs_finite=role == "train",
                check=(
                    UpdateBounds.of(form, config.learning)
                    if role == "train"
                    else lambda accumulator: None
                ),
                report=local_metrics if role == "evaluate" else lambda outputs: {},
                folder=directory.path,
            )
            for role, form in self._forms.items()
        }
        self.dropouts = DropoutTable(directory.path / "dropouts.csv")
        self.roster = RemoteRoster(
            fleet.connected,
            self._store,
            min_stores=config.schedule.min_stores,
            min_available_stores=config.schedule.min_available_stores,
            wait_s=config.fleet.wait_for_stores_s,
            retry_wait_s=config.fleet.rejoin_wait_s,
            path=directory.path / "roster.json",
            why_missing=fleet.why_missing,
            say=fleet.say,
        )

    def round(self, role: str) -> FederatedRound:
        """Runs rounds of a role, `train` or `evaluate`."""
        return FederatedRound(self._forms[role], self._collectors[role])

    def stores(self, round_num: int, attempt: int) -> Sequence[RemoteStore]:
        """See `Roster.stores`."""
        if attempt == 0:
            self.dropouts.begin(round_num)
        return self.roster.stores(round_num, attempt)

    def heed(self, round_num: int, collection: Collection) -> None:
        """See `Roster.heed`; the status of the fleet and the table of dropouts hear of it too."""
        self._fleet.status.collected(round_num, collection.outcomes)
        self.dropouts.add(round_num, collection.outcomes)
        self.roster.heed(round_num, collection)

    def stores_to_evaluate(self) -> Sequence[RemoteStore]:
        """The stores that are there and have photographs to evaluate on, or do not tell."""
        return self.roster.with_examples(SPLITS["evaluate"])

    def close(self) -> None:
        """Ends threads and sessions."""
        for collector in self._collectors.values():
            collector.close()

    def _store(self, name: str) -> RemoteStore:
        return RemoteStore(
            name,
            self._fleet.connected,
            self._questions,
            submit=self._fleet.submit,
            rejoin_wait_s=self._config.fleet.rejoin_wait_s,
            is_member=self._fleet.is_member,
            revive=self._fleet.revive,
        )
