"""Why a store does not get a certificate."""

from tff_retail.config import ConfigurationError


class EnrolmentRefused(ConfigurationError):
    """Joining, renewing or installing was refused; the message is one sentence.

    Args:
      code: a short name for programs, such as `token_used`.
      sentence: for people.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
