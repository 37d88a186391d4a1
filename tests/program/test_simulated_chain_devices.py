import types

from tff_retail.program import simulated_chain


class _Session:
    """Stands for a session that only says where it lies."""

    def __init__(self, part, pipelines, *, device, **settings):
        self.part, self.pipelines, self.device = part, pipelines, device

    def twin(self):
        return _Session(self.part, self.pipelines, device=self.device)

    def close(self):
        pass


def test_sessions_are_spread_over_the_devices(monkeypatch):
    monkeypatch.setattr(simulated_chain, "PartSession", _Session)
    recogniser = types.SimpleNamespace(
        forms={"train": {"work": "training"}, "evaluate": {"work": "evaluation"}},
        pipelines={"train": "shuffled", "evaluate": "in order"},
        backbone=None,
    )
    chain = simulated_chain.SimulatedChain(recogniser, ["/GPU:0", "/GPU:1"])
    bern = chain.store(types.SimpleNamespace(name="Bern", load=None))
    assert bern.name == "Bern"
    sessions = bern.roles["train"].sessions
    with sessions.session() as one, sessions.session() as two, sessions.session() as three:
        assert [each.device for each in (one, two, three)] == ["/GPU:0", "/GPU:1", "/GPU:0"]
        assert (one.part, one.pipelines) == ("training", ["shuffled"])
    with bern.roles["evaluate"].sessions.session() as session:
        assert (session.part, session.device) == ("evaluation", "/GPU:0")
