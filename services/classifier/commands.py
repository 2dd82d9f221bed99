"""The classifier's part of the command line: `classify`."""

from typing import Annotated, get_args

import typer

from ringtrue.errors import WrongUse
from ringtrue.outcomes import CODES
from ringtrue.settings import ClassifierSettings, load_settings

# The engines are imported where they are used: the other commands must load without their lexicons and packages.

app = typer.Typer()

ENGINES: tuple[str, ...] = get_args(ClassifierSettings.model_fields["engine"].annotation)
#: Its codes hold all those of the other types.
_WIDEST = "SAV"


@app.command("classify")
def classify(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT | - | FILE...",
            help="A text in quotes; - for the lines of standard input, of which each is one text, an empty one too; or "
            "files: of .jsonl each line (an object with `text`, or a line of `ringtrue transcribe --json`), of .json "
            "such lines or one such object, any other file as one text.",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="ACQUISITION|SAV",
            help="The type of order to answer for. Without it both are answered, and where only one is asked for, "
            "such as by `outcome`, it is SAV's: that type knows every outcome.",
        ),
    ] = "",
    engine: Annotated[
        str, typer.Option(help=f"One of {', '.join(ENGINES)}; default RINGTRUE_CLASSIFIER__ENGINE, else embedded.")
    ] = "",
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON line per text on standard output.")] = False,
) -> None:
    """Says what calls show from what was said in them: outcome, behaviour, and the words that decided.

    Both types of order are answered at once, for the same call may mean something else to each: "not at home, come
    tomorrow" is a postponement (2) for ACQUISITION and an absence (6) for SAV. 9 is "could not be classified".

    In JSON `start_word` counts from 0 the words that white space parts (of a transcript, its words), and `end_word` is
    the one after the last. A text that cannot be used has a line too, with outcome 9 and an `error` that says why.

    Exit code 1: a text could not be used, or not wholly. 3: a model's server is away.

    \b
    Examples:
      ringtrue classify "votre correspondant est injoignable pour le moment"
      ringtrue classify --type SAV "je ne suis pas à la maison venez demain"
      ringtrue classify - --type ACQUISITION < texts.txt
      ringtrue transcribe calls/*.ogg --json > calls.jsonl
      ringtrue classify calls.jsonl --json | jq -r '[.outcome, .label] | @tsv'
    """
    from services.classifier.classifying import Classifying

    if kind and kind.upper() not in CODES:
        raise WrongUse(f"--type {kind}: {', '.join(CODES)} are allowed")
    if engine and engine not in ENGINES:
        raise WrongUse(f"--engine {engine!r} is not known; there are {', '.join(ENGINES)}")
    kinds = [kind.upper()] if kind else sorted(CODES, key=lambda one: one != _WIDEST)
    raise typer.Exit(Classifying(load_settings(), engine=engine, kinds=kinds).run(given, as_lines=as_lines))
