"""What deterministic code still has to say of a model's answer: where it contradicts the words, or the call speaks to
its judge, a person looks.

A long talk is not silence, and a call in which nobody was reached has no long talk without any announcement. What the
lexicon is sure of, the model may not deny: of two readers who disagree none is believed. (By setting it may, except on
whether anyone was reached.) Where someone speaks to the judge (`injection`), the model alone is not believed: its
outcome stands only if the lexicon, which cannot be spoken to, reads the same in the rest of the call; and its word on
behaviour does not stand at all.

What this does not stop: someone who plays a client or a machine so well that the call truly reads like one; and talk to
the judge in words that `injection.yaml` does not know, if the model listens and the outcome fits the rest of the call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from ringtrue.messages import Answer, Shown, Span
from ringtrue.outcomes import BAD, BEHAVIOUR_NOT_CLASSIFIED, GOOD, NOBODY_REACHED, Outcome
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import NOT_CLASSIFIED, Classification, Transcript
from services.classifier.lexicon import COMPANION, FINAL, GREETING, OPENING
from services.classifier.metrics import DOUBTED
from services.classifier.models.answer import Given, Stretch
from services.classifier.models.document import Document
from services.classifier.models.injection import TalkToTheJudge
from services.classifier.reading import Reading, read

#: More different words than these are no silence, nor are so many words on each of two channels.
_STRAY_WORDS, _TALK_ON_CHANNEL = 12, 4
#: More words than these beside greetings, in a call without an announcement, are a talk.
_TALK_WORDS: Final = 30
#: From this score on the lexicon is sure that someone spoke; that nobody was reached only an announcement after which
#: nobody can be reached makes it surer than.
_SURE, _SURE_OF_NOBODY = 0.9, 0.94

#: How clear an answer is: the lexicon says the same; words stand for it; neither. No model's own word is a measure.
_AGREED, _CITED, _BARE = 0.95, 0.8, 0.6


class Guards:
    """Makes of what a model answered what is believed of it.

    Args:
        lexical: Reads calls by its lexicon.
        overruled: The model may deny what the lexicon is sure of, except whether anyone was reached.
    """

    def __init__(self, lexical: EmbeddedEngine, *, overruled: bool = False) -> None:
        self._lexical = lexical
        self._overruled = overruled
        self._talk = TalkToTheJudge(lexical.lexicon)
        #: Changes whenever what is believed may.
        self.version = f"{lexical.version} {self._talk.version} {overruled}"

    def judged(self, given: Given, document: Document) -> Classification:
        """What is believed."""
        spoken_to = self._talk.find(document.words)
        if spoken_to:
            DOUBTED.labels("talk to the judge").inc()
            return self._rest_of(given, document, spoken_to)
        transcript = Transcript(document.words)
        by_lexicon = self._lexical.classify(transcript)
        reading = read(transcript, self._lexical.lexicon)
        why = _contradiction(given.sav, reading) or self._denial(given.sav, by_lexicon.sav)
        if why:
            DOUBTED.labels(why).inc()
            return NOT_CLASSIFIED
        return Classification(
            acquisition=_answer(
                given.acquisition, given.acquisition_words, given.cites, by_lexicon.acquisition, document
            ),
            sav=_answer(given.sav, given.sav_words, given.cites, by_lexicon.sav, document),
            behaviour=_behaviour(given.behaviour, by_lexicon.behaviour),
            shown=_shown(given, document) if given.cites else None,
        )

    def _denial(self, outcome: Outcome, by_lexicon: Answer) -> str:
        """Why an outcome denies what the lexicon is sure of; empty where it does not, or may."""
        other = Outcome(by_lexicon.outcome)
        nobody = other in NOBODY_REACHED
        sure = by_lexicon.score >= (_SURE_OF_NOBODY if nobody else _SURE) and bool(by_lexicon.cited)
        if not sure or other == outcome:
            return ""
        if nobody != (outcome in NOBODY_REACHED):
            return "the lexicon is sure of the opposite"
        return "" if self._overruled else "the lexicon is sure of another outcome"

    def _rest_of(self, given: Given, document: Document, spoken_to: frozenset[int]) -> Classification:
        """What the lexicon reads in the rest of a call that speaks to its judge, where the model says so too.

        Silence, and a greeting that nobody answers, are not to be seen in what is left when words were taken out.
        """
        rest = [word for place, word in enumerate(document.words) if place not in spoken_to]
        by_lexicon = self._lexical.classify(Transcript(tuple(rest)))
        rude = given.behaviour == BAD == by_lexicon.behaviour
        return Classification(
            acquisition=_same(given.acquisition, by_lexicon.acquisition),
            sav=_same(given.sav, by_lexicon.sav),
            behaviour=BAD if rude else BEHAVIOUR_NOT_CLASSIFIED,
            shown=Shown(language=given.language) if given.cites else None,
        )


def _contradiction(outcome: Outcome, reading: Reading) -> str:
    """Why an outcome cannot be right; empty where it may be."""
    announced = reading.of(FINAL, OPENING)
    if outcome == Outcome.SILENCE:
        channels = Counter(channel for channel, _ in reading.spoken)
        if reading.different > _STRAY_WORDS or sum(words >= _TALK_ON_CHANNEL for words in channels.values()) > 1:
            return "silence with many words"
    talk = reading.beside(reading.of(GREETING, COMPANION))
    if outcome == Outcome.UNREACHABLE and not announced and talk > _TALK_WORDS:
        return "unreachable with much talk"
    return ""


def _answer(outcome: Outcome, words: Iterable[Stretch], cites: bool, by_lexicon: Answer, document: Document) -> Answer:
    if outcome == Outcome.NOT_CLASSIFIED:
        return NOT_CLASSIFIED.acquisition
    score = _AGREED if by_lexicon.outcome == outcome else _CITED if cites else _BARE
    spans = sorted((document.span(one.first, one.last) for one in words), key=lambda span: span.start_ms)
    return Answer(outcome=int(outcome), score=score, cited=tuple(spans))


def _behaviour(behaviour: int, by_lexicon: int) -> int:
    """Rude words that only the lexicon finds may be the client's: good behaviour is not certified beside them."""
    return BEHAVIOUR_NOT_CLASSIFIED if behaviour == GOOD and by_lexicon == BAD else behaviour


def _same(outcome: Outcome, by_lexicon: Answer) -> Answer:
    surely = by_lexicon.score >= _SURE_OF_NOBODY if outcome == Outcome.UNREACHABLE else outcome != Outcome.SILENCE
    return by_lexicon if surely and by_lexicon.outcome == outcome and by_lexicon.cited else NOT_CLASSIFIED.acquisition


def _shown(given: Given, document: Document) -> Shown:
    def span(words: Stretch | None) -> Span | None:
        return None if words is None else document.span(words.first, words.last)

    return Shown(
        reached=given.reached,
        reached_by=span(given.reached_by),
        appointment=span(given.appointment),
        appointment_agreed=given.appointment_agreed if given.appointment else None,
        reason=span(given.reason),
        no_more_calls=span(given.no_more_calls),
        language=given.language,
    )
