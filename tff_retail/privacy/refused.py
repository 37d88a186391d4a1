"""What the release policy forbids."""


class Refused(Exception):
    """A store's policy forbids something.

    Args:
      rule: the rule's name, which is all that the caller is told.
      sentence: for the store's owner: what, which rule, which value, what to do.
    """

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(f"{rule}: {sentence}")
        self.rule = rule
        self.sentence = sentence
