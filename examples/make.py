"""Makes the sample calls and their manifests: everything in `bucket/` and `late/`, all of it synthetic.

    python -m examples.make

The sounds are espeak-ng voices (the program must be installed), ringback from the national tone plan, and line noise,
sent through real codecs by `synth`. The story of each order is in `expected.yaml`, which is written by hand: what the
pipeline must find, not what it happened to find. Numbers are made up; nobody was recorded.
"""

import io
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zlib import crc32

import numpy as np
import xlsxwriter
from scipy.signal import resample_poly

from examples.synth import RATE_HZ, Sound, beep, encoded, noise, ringback, silence

HERE = Path(__file__).parent
#: What an operator's bucket holds, and what arrives in it later (the same keys).
BUCKET, LATE = HERE / "bucket", HERE / "late"
DAY = "calls/2026/11/18"

SPEECH_DBFS = -6.0
#: A quiet line: what every telephone has, far below speech.
LINE_NOISE_DBFS = -62.0
#: espeak-ng's rate.
_SPOKEN_HZ = 22_050
_WORDS_PER_MINUTE = 145

TECHNICIAN, MAN, WOMAN, OPERATOR = "fr+m4", "fr+m7", "fr+f3", "fr+f1"
MESSAGERIE = "bonjour, vous êtes bien sur la messagerie de votre correspondant, laissez un message après le bip"
INJOIGNABLE = "votre correspondant est injoignable pour le moment, veuillez rappeler ultérieurement"

#: Who says what, in turn.
REFUSAL = (
    (TECHNICIAN, "bonjour madame, je suis le technicien, je vous appelle pour l'installation de votre ligne"),
    (WOMAN, "non merci, je refuse l'installation, je ne veux plus de la ligne"),
    (TECHNICIAN, "vous confirmez que vous ne voulez plus de la ligne"),
    (WOMAN, "oui, annulez la commande s'il vous plaît"),
    (TECHNICIAN, "d'accord madame, je note votre refus, bonne journée"),
)
CANCELLATION = (
    (MAN, "allô"),
    (TECHNICIAN, "bonjour monsieur, c'est le technicien, je vous appelle pour l'installation de votre ligne"),
    (MAN, "je veux annuler la commande, j'ai changé d'opérateur"),
    (TECHNICIAN, "d'accord monsieur, je note l'annulation, au revoir"),
)
POSTPONEMENT = (
    (TECHNICIAN, "bonjour madame, c'est le technicien, vous êtes disponible aujourd'hui"),
    (WOMAN, "je ne suis pas disponible aujourd'hui, désolé, rappelez-moi demain matin"),
    (TECHNICIAN, "très bien madame, je vous rappelle demain matin, bonne journée"),
)

ABSENCE = (
    (TECHNICIAN, "bonjour madame, c'est le technicien, vous êtes disponible aujourd'hui"),
    (WOMAN, "je ne suis pas à la maison aujourd'hui, rappelez-moi demain matin"),
    (TECHNICIAN, "très bien madame, je vous rappelle demain matin, bonne journée"),
)

#: The day's orders, with what spreadsheets do to numbers and dates.
CRC_ADSL = """\
inwib2c_order__c;inwib2c_degroupage_num__c;date_commande;date_last_status;numero_de_contact;\
statut_de_degroupage_iam;statut_commande;nd;city;premiere_date_recyclage
CMD-240001;OT-51;2026-11-17 10:12:00;2026-11-18 18:05:00;0600000001;Client injoignable;Suspendue;0520000001;Rabat;
CMD-240002;OT-52;17/11/2026 14:30;18/11/2026 12:00;600000002;Client injoignable;Suspendue;0520000002;Casablanca;
CMD-240003;OT-53;2026-11-16 09:00:00;2026-11-18 17:30:00;+212600000003;CLIENT INJOIGNABLE;Suspendue;0520000003;Fès;\
18/11/2026 08:00
CMD-240004;OT-54;17/11/2026 11:00;18/11/2026 11:02;06 00 00 00 04;Client refuse installation;Suspendue;0520000004;\
Tanger;
CMD-240005;OT-55;2026-11-17 15:45:00;2026-11-18 16:00:00;0600000005;Client injoignable;Suspendue;0520000005;Agadir;
CMD-240006;OT-56;2026-11-17;2026-11-18;0600000006;Client injoignable;suspendue;0520000006;Meknès;
CMD-240007;OT-57;46343.5;46344.625;6.00000007E+08;Client reporte RDV;Suspendue;0520000007;Marrakech;
CMD-240008;OT-58;2026-11-17 16:20:00;2026-11-18 16:45:00;00212600000008;Client reporté RDV;Suspendue;0520000008;Fès;
CMD-240009;OT-59;2026-11-17 09:30:00;2026-11-18 15:00:00;06000;Client injoignable;Suspendue;0520000009;Rabat;
CMD-240010;OT-60;2026-11-17 09:30:00;2026-11-18 15:00:00;0600000010;Client injoignable;Annulée;0520000010;Rabat;
"""
#: As another system writes it: Windows-1252, tabs between the cells.
CRC_VULA = (
    (
        *("inwib2c_commande_de_partage__c", "createddate", "lastmodifieddate", "inwib2c_numerocontact__c"),
        *("inwib2c_statut_demande__c", "inwib2c_motif__c", "inwib2c_nd_attribut__c", "inwib2c_city__c"),
        "inwib2c_lineid__c",
    ),
    (
        *("VUL-530011", "17/11/2026 16:10", "18/11/2026 15:00", "0600000011", "Suspendue", "Client injoignable"),
        *("0520000011", "Tétouan", "L-11"),
    ),
    (
        *("VUL-530012", "17/11/2026 11:00", "18/11/2026 12:00", "0600000012", "Suspendue"),
        *("Client refuse installation", "0520000012", "Salé", "L-12"),
    ),
)
#: As a person keeps it: a workbook with a title above the headings, the client's number and name in a comment.
SAV = (
    (
        *("Number", "ND", "Date d'envoi vers l'opérateur d'infra", "Date suspension", "Motif suspension", "Category"),
        *("Date réouverture systeme", "Date recyclage", "Commentaire envoi vers opérateur d'infra"),
        *("Numéro chez l'opérateur d'infra", "city"),
    ),
    (
        *("SAV-880013", "0520000013", "2026-11-17 15:20:00", "2026-11-18 12:30:00", "Client absent", "ADSL"),
        *("", "", "Panne depuis lundi. Contact : 06 00 00 00 13, nom et prénom : Samira Tahiri", "IAM-13", "Fès"),
    ),
    (
        *("SAV-880014", "0520000014", "2026-11-16 10:00:00", "2026-11-18 14:00:00", "Local fermé", "FTTH GPON"),
        *("", "2026-11-18 08:00:00", "Nom et prénom : Rachid Fassi, tel 0600000014", "IAM-14", "Kénitra"),
    ),
)


@dataclass(frozen=True, slots=True)
class SampleCall:
    """A recording and what its sidecar says. `sound` is [frames] or [frames, channels]."""

    name: str
    client: str
    started: str
    sound: Sound
    codec: str
    branch: str = "ADSL_INSTALL"
    sidecar_is_late: bool = False


def sample_calls() -> list[SampleCall]:
    """Every call that can be heard, by order (see `expected.yaml`)."""
    five_rings = np.concatenate([ringback(5), silence(2_500)])
    messagerie = np.concatenate([_answered(5), say(MESSAGERIE, OPERATOR), silence(300), beep(), silence(1_500)])
    announcement = np.concatenate([silence(800), say(INJOIGNABLE, OPERATOR), silence(1_200)])
    return [
        SampleCall("ivr-000101.wav", "0600000001", "09:05:10", five_rings, "pcm16"),
        SampleCall("ivr-000102.ogg", "0600000001", "11:32:41", messagerie, "opus", sidecar_is_late=True),
        SampleCall("ivr-000103.wav", "0600000001", "14:10:05", five_rings, "ulaw"),
        SampleCall("ivr-000104.flac", "0600000002", "09:20:30", announcement, "flac"),
        SampleCall("ivr-000105.wav", "0600000002", "10:05:12", five_rings, "alaw"),
        SampleCall("ivr-000106.mp3", "0600000002", "10:50:48", announcement, "mp3"),
        SampleCall("ivr-000107.ogg", "0600000003", "08:58:20", messagerie, "opus"),
        SampleCall("ivr-000108.wav", "0600000003", "11:15:33", np.concatenate([ringback(3), silence(2_500)]), "alaw"),
        SampleCall("ivr-000109.mp3", "0600000003", "13:40:07", five_rings, "mp3"),
        SampleCall("ivr-000110.flac", "0600000004", "10:20:15", conversation(REFUSAL, rings=2, stereo=True), "flac"),
        SampleCall("ivr-000111.ogg", "0600000005", "09:45:00", five_rings, "opus"),
        SampleCall("ivr-000112.wav", "0600000005", "15:10:26", conversation(CANCELLATION, rings=3), "ulaw"),
        SampleCall("appel reporté à Fès.mp3", "0600000008", "16:05:54", conversation(POSTPONEMENT, rings=2), "mp3"),
        SampleCall("ivr-000115.ogg", "0600000011", "08:45:12", announcement, "opus", "FTTH_VULA_INSTALL"),
        SampleCall("ivr-000116.wav", "0600000011", "11:02:30", five_rings, "ulaw", "FTTH_VULA_INSTALL"),
        SampleCall("ivr-000117.mp3", "0600000011", "13:30:45", announcement, "mp3", "FTTH_VULA_INSTALL"),
        SampleCall("ivr-000118.ogg", "0600000012", "10:40:10", conversation(REFUSAL, rings=4), "opus"),
        SampleCall("ivr-000119.flac", "0600000013", "09:50:00", conversation(ABSENCE, rings=3), "flac", "ADSL_SAV"),
        SampleCall(
            "ivr-000120.wav", "0600000014", "11:25:00", conversation(POSTPONEMENT, rings=3), "alaw", "FTTH_VULA_SAV"
        ),
    ]


def say(text: str, voice: str) -> Sound:
    """What espeak-ng says, at the telephone's rate."""
    command = ["espeak-ng", "-v", voice, "-s", str(_WORDS_PER_MINUTE), "--stdout", text]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    # The header of a stream holds no true length, so the samples are read past it.
    samples = np.frombuffer(spoken[44:], "<i2").astype(np.float64)
    heard = resample_poly(samples, RATE_HZ // 50, _SPOKEN_HZ // 50)
    return np.asarray(heard / np.abs(heard).max() * 10 ** (SPEECH_DBFS / 20))


def conversation(turns: Sequence[tuple[str, str]], *, rings: int, stereo: bool = False) -> Sound:
    """Ringing, then the turns one after the other; in stereo the technician left, all that comes from afar right."""
    parts: list[tuple[Sound, bool]] = [(_answered(rings), False)]
    for voice, text in turns:
        parts += [(say(text, voice), voice == TECHNICIAN), (silence(600), False)]
    left = np.concatenate([part if near else np.zeros_like(part) for part, near in parts])
    right = np.concatenate([np.zeros_like(part) if near else part for part, near in parts])
    return np.column_stack([left, right]) if stereo else left + right


def _answered(rings: int) -> Sound:
    """Ringing that is answered during the last pause."""
    return np.concatenate([ringback(rings)[: -round(2.0 * RATE_HZ)], silence(400)])


def write_call(call: SampleCall) -> None:
    """The recording and its sidecar."""
    channels = call.sound.reshape(len(call.sound), -1)
    duration_ms = len(channels) * 1000 / RATE_HZ
    seed = crc32(call.name.encode())
    line = np.column_stack([noise(duration_ms, LINE_NOISE_DBFS, seed + index) for index in range(channels.shape[1])])
    _write(BUCKET / DAY / call.name, _encoded(np.squeeze(channels + line), call.codec))
    ended = datetime.fromisoformat(f"2026-11-18T{call.started}") + timedelta(seconds=round(duration_ms / 1000))
    root = LATE if call.sidecar_is_late else BUCKET
    write_sidecar(root, call.name, call.client, call.started, ended, call.branch)


def write_sidecar(
    root: Path, name: str, client: str, started: str, ended: datetime, branch: str = "ADSL_INSTALL"
) -> None:
    """The sidecar of the recording `name`."""
    fields = {
        "CALL_ID": f"2026-11-18/{Path(name).stem}",
        "NUMERO_CLIENT": client,
        "NUMERO_TECHNICIEN": "0600000091",
        "DATE_DEBUT": f"2026-11-18 {started}",
        "DATE_FIN": str(ended),
        "BRANCHE": branch,
    }
    text = json.dumps(fields, ensure_ascii=False, indent=2) + "\n"
    _write((root / DAY / name).with_suffix(".json"), text.encode())


def write_bad_input() -> None:
    """What every bucket holds too: an upload that broke off, a text named as a recording, a format nobody reads."""
    # Cut inside the second header page: not one sample is left.
    _write(BUCKET / DAY / "ivr-000113.ogg", _encoded(ringback(2), "opus")[:72])
    write_sidecar(BUCKET, "ivr-000113.ogg", "0600000007", "12:25:40", datetime.fromisoformat("2026-11-18T12:26:31"))
    note = "Appel non enregistré : panne de l'enregistreur, voir le ticket du jour.\n"
    _write(BUCKET / DAY / "0600000009_20261118-101500.wav", note.encode())
    _write(BUCKET / DAY / "ivr-000114.dss", b"\x02dss" + bytes(34))


def write_manifests() -> None:
    """The day's orders, in each layout."""
    folder = BUCKET / "manifests"
    _write(folder / "CRC_ADSL_2026-11-18.csv", CRC_ADSL.replace("\n", "\r\n").encode())
    tabbed = "".join("\t".join(row) + "\r\n" for row in CRC_VULA)
    _write(folder / "crc_vula_2026-11-18.csv", tabbed.encode("cp1252"))
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        workbook.set_properties({"created": datetime(2026, 11, 18)})  # noqa: DTZ001 - the same bytes each time
        sheet = workbook.add_worksheet("SAV")
        sheet.merge_range(0, 0, 0, len(SAV[0]) - 1, "Suivi SAV du 18/11/2026")
        for number, row in enumerate(SAV, start=2):
            sheet.write_row(number, 0, row)
    _write(folder / "SAV_2026-11-18.xlsx", file.getvalue())


def _encoded(sound: Sound, codec: str) -> bytes:
    """The same file for the same sound: libsndfile numbers each Ogg stream at random, and here it is 1."""
    file = bytearray(encoded(sound, codec))
    page = file.find(b"OggS")
    while page >= 0:
        segments = file[page + 26]
        end = page + 27 + segments + sum(file[page + 27 : page + 27 + segments])
        file[page + 14 : page + 18] = (1).to_bytes(4, "little")
        file[page + 22 : page + 26] = bytes(4)
        file[page + 22 : page + 26] = _ogg_checksum(file[page:end]).to_bytes(4, "little")
        page = end if file[end : end + 4] == b"OggS" else -1
    return bytes(file)


def _ogg_checksum(page: bytearray) -> int:
    """CRC-32 as RFC 3533 has it: polynomial 04C11DB7, highest bit first, nothing inverted."""
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1 ^ (0x04C11DB7 if remainder >> 31 else 0)) & 0xFFFFFFFF
    return remainder


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main() -> None:
    """Makes them all."""
    for call in sample_calls():
        write_call(call)
    write_bad_input()
    write_manifests()
    total = sum(path.stat().st_size for root in (BUCKET, LATE) for path in root.rglob("*") if path.is_file())
    print(f"{total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
