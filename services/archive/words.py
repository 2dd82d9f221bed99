"""The words of the reports, in each language. Headings are the business's own and the same in all."""

from ringtrue.outcomes import Language

#: By the code of a result, a verdict or another thing that a cell says.
WORDS: dict[Language, dict[str, str]] = {
    "fr": {
        "passed": "Conforme",
        "failed": "Non conforme",
        "undetermined": "À vérifier",
        "warning": "Alerte",
        "compliant": "Conforme",
        "non_compliant": "Non conforme",
        "to_review": "À vérifier",
        "good": "Bien",
        "bad": "Mauvais",
        "unknown": "inconnu",
        "waiting": "En attente",
        "done": "Traité",
        "yes": "Oui",
        "no": "Non",
        "nobody_called": "NA",
        "unassigned": "Enregistrements sans numéro de client dans la période : {count}",
    },
    "en": {
        "passed": "Compliant",
        "failed": "Not compliant",
        "undetermined": "To be reviewed",
        "warning": "Warning",
        "compliant": "Compliant",
        "non_compliant": "Not compliant",
        "to_review": "To be reviewed",
        "good": "Good",
        "bad": "Bad",
        "unknown": "unknown",
        "waiting": "Waiting",
        "done": "Processed",
        "yes": "Yes",
        "no": "No",
        "nobody_called": "NA",
        "unassigned": "Recordings without a client number in the window: {count}",
    },
}
