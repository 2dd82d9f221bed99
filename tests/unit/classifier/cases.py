"""Calls in words, with the outcome among the ACQUISITION and among the SAV codes that domain.md asks for."""

#: Text, ACQUISITION, SAV.
Case = tuple[str, int, int]

REFUSED: list[Case] = [
    ("bonjour madame je suis le technicien de la fibre non merci je ne veux plus de la ligne", 1, 1),
    ("non je refuse l'installation", 1, 1),
    ("je voudrais annuler ma commande s'il vous plaît", 1, 1),
    ("nous on a déménagé le mois dernier on habite plus là", 1, 1),
    ("j'ai changé d'opérateur je suis chez orange maintenant", 1, 1),
    ("c'est bon la connexion est revenue depuis hier merci", 1, 1),
    ("ça marche très bien maintenant je n'ai plus besoin de vous", 1, 1),
    ("oui allô bonjour ah non c'est trop cher ça ne m'intéresse plus", 1, 1),
    ("je n'ai jamais demandé cette installation moi", 1, 1),
    ("laissez tomber j'ai pris un autre fournisseur", 1, 1),
    ("ça m'intéresse pas du tout merci monsieur", 1, 1),
    ("écoutez j'ai déjà résilié mon contrat la semaine dernière", 1, 1),
    ("je n'en veux pas de votre fibre", 1, 1),
    ("الو السلام عليكم لا خويا ما بقيتش باغي الخط", 1, 1),
    ("صافي راه بغيت نلغيه هاد الطلب", 1, 1),
    ("راه بدلت العنوان ما بقيتش ساكن تما", 1, 1),
    ("راها خدامة مزيان الحمد لله", 1, 1),
    ("أنا غيزيليتو هاداك الاشتراك", 1, 1),
    ("حنا رحلنا من ديك الدار ودرنا ترونسفير", 1, 1),
    ("مابغيتش نركب الفيبر الله يخليك", 1, 1),
    ("راه تصلحات ليا البارح شكرا", 1, 1),
    ("je vais résilier بغيت نلغي l'abonnement", 1, 1),
]

POSTPONED: list[Case] = [
    ("bonjour monsieur est-ce que vous êtes disponible non rappelez-moi demain matin", 2, 2),
    ("je ne suis pas disponible aujourd'hui", 2, 2),
    ("on peut reporter le rendez-vous à jeudi", 2, 2),
    ("je suis en réunion rappelez plus tard", 2, 2),
    ("venez la semaine prochaine c'est mieux", 2, 2),
    ("pas maintenant je travaille", 2, 2),
    ("disons samedi à dix heures d'accord", 2, 2),
    ("j'ai pas le temps là maintenant monsieur", 2, 2),
    ("est-ce que vous pouvez passer mercredi après-midi plutôt", 2, 2),
    ("le rendez-vous est fixé au vingt-trois novembre", 2, 2),
    ("vous êtes disponible demain oui d'accord demain", 2, 2),
    ("donnez-moi un autre rendez-vous s'il vous plaît", 2, 2),
    ("ما مساليش دابا عيط ليا من بعد", 2, 2),
    ("خويا غدا ان شاء الله أنا فالخدمة", 2, 2),
    ("عاود اتصل بيا نهار الخميس عافاك", 2, 2),
    ("واخا خليها حتى لغدا مع العشرة", 2, 2),
    ("ممكن نأجلو الموعد حتى لنهار الاثنين", 2, 2),
    ("je suis occupé دابا عيط ليا غدا", 2, 2),
]

UNREACHABLE: list[Case] = [
    ("votre correspondant est injoignable pour le moment veuillez rappeler ultérieurement", 3, 3),
    ("bienvenue sur la boîte vocale du zéro six douze", 3, 3),
    ("votre correspondant est absent pour le moment", 3, 3),
    ("bonjour vous êtes sur le répondeur de karim laissez un message après le bip", 3, 3),
    ("je ne suis pas disponible pour le moment laissez-moi un message après le bip", 3, 3),
    ("le numéro que vous avez composé n'est plus en service", 3, 3),
    ("votre correspondant est déjà en ligne veuillez patienter", 3, 3),
    ("le téléphone de votre correspondant est éteint ou hors de la zone de couverture", 3, 3),
    ("vous êtes bien chez martin laissez votre message bonjour c'est le technicien rappelez-moi demain merci", 3, 3),
    ("maroc télécom vous souhaite la bienvenue", 3, 3),
    ("allô", 3, 3),
    ("oui allô", 3, 3),
    ("allô allô allô", 3, 3),
    ("allô oui bonjour", 3, 3),
    ("allô vous m'entendez allô", 3, 3),
    ("bienvenue sur", 3, 3),
    ("votre correspondant", 3, 3),
    ("اتصالات المغرب ترحب بكم", 3, 3),
    ("العلبة الصوتية ل", 3, 3),
    ("هاتف مخاطبكم غير مشغل المرجو إعادة الاتصال لاحقا", 3, 3),
    ("مخاطبكم مشغول حاليا", 3, 3),
    ("المرجو إعادة الاتصال لاحقا", 3, 3),
    ("بيانفوني سير لا بوات فوكال", 3, 3),
    ("فوتر كوريسبوندون إي أنجوانيابل بور لو مومون", 3, 3),
    ("ألو", 3, 3),
    ("الو الو", 3, 3),
    ("الو السلام عليكم", 3, 3),
    ("اتصالات المغرب", 3, 3),
    ("هاتف مخاطبكم", 3, 3),
]

SILENCE: list[Case] = [
    ("", 0, 0),
    ("euh", 0, 0),
    ("euh euh hum", 0, 0),
    ("a", 0, 0),
    ("j e", 0, 0),
    ("oui", 0, 0),
    ("le chien", 0, 0),
    ("attends voilà", 0, 0),
    ("on on on no on qu", 0, 0),
    ("صافي", 0, 0),
    ("اه", 0, 0),
]

OTHER: list[Case] = [
    ("oui bonjour je suis à la maison vous pouvez venir maintenant", 4, 4),
    ("c'est une erreur vous vous êtes trompé de numéro monsieur", 4, 4),
    ("j'habite au trois rue des fleurs à casablanca deuxième étage", 4, 4),
    ("attendez je vous passe mon mari", 4, 4),
    ("la ligne coupe tout le temps depuis lundi", 4, 4),
    ("internet ne marche plus depuis trois jours", 4, 4),
    ("combien ça coûte l'installation de la fibre", 4, 4),
    ("il faut voir avec mon mari c'est lui le titulaire", 4, 4),
    ("je suis sa femme non on ne veut plus de la fibre", 4, 4),
    ("ce n'est pas moi le titulaire rappelez demain", 4, 4),
    ("je ne refuse pas l'installation vous pouvez venir tout de suite", 4, 4),
    ("non je ne veux pas annuler je vous attends à la maison", 4, 4),
    ("vous êtes en retard je vous attends depuis dix heures", 4, 4),
    ("واخا خويا أنا فالدار اجي دابا", 4, 4),
    ("الانترنيت ما خداماش هادي يومين", 4, 4),
    ("أنا غير ولدو ما بقيناش باغيين", 4, 4),
    ("شكون معايا ما فهمتش شنو بغيتي", 4, 4),
    ("العنوان ديالي هو زنقة الحسن الطابق التاني", 4, 4),
]

NO_EQUIPMENT: list[Case] = [
    ("je n'ai pas encore reçu la box", 4, 5),
    ("le routeur n'est pas arrivé mais je veux toujours la ligne", 4, 5),
    ("on m'a pas livré le modem monsieur", 4, 5),
    ("j'attends toujours le routeur", 4, 5),
    ("le routeur est en panne il faut le remplacer", 4, 5),
    ("je n'ai pas reçu le routeur alors j'ai annulé la commande", 1, 1),
    ("j'ai pas reçu la box rappelez-moi lundi", 2, 5),
    ("باقي ما وصلنيش الروتور", 4, 5),
    ("ما جابوش ليا المودم خويا", 4, 5),
    ("ما عنديش الروتور", 4, 5),
]

ABSENT: list[Case] = [
    ("راني مسافر حتى السيمانة الجاية", 2, 6),
    ("je ne suis pas à la maison venez demain", 2, 6),
    ("je ne suis pas chez moi aujourd'hui", 4, 6),
    ("il n'y a personne à la maison monsieur", 4, 6),
    ("je suis dehors", 4, 6),
    ("mon mari n'est pas là rappelez demain", 4, 6),
    ("je suis absent toute la journée", 4, 6),
    ("désolé je suis loin de la maison", 4, 6),
    ("ما كاينش فالدار", 4, 6),
    ("أنا برا دابا ماشي فالدار", 4, 6),
    ("أنا ما كاينش فالدار اجي غدا", 2, 6),
    ("راني خرجت من الدار", 4, 6),
]

CLOSED: list[Case] = [
    ("le magasin est fermé aujourd'hui", 4, 7),
    ("on n'a pas les clés du local", 4, 7),
    ("vous ne pouvez pas entrer le bureau est fermé", 4, 7),
    ("le gardien n'est pas là je n'ai pas accès", 4, 7),
    ("le magasin ouvre à dix heures", 4, 7),
    ("l'immeuble est fermé venez lundi", 2, 2),
    ("المحل مسدود اليوم", 4, 7),
    ("الباب مسدود وما عنديش الساروت", 4, 7),
]

#: Contradictions, hints alone, and languages that the lexicon does not know.
NOT_CLASSIFIED: list[Case] = [
    ("je ne veux plus de la fibre ah si finalement je suis toujours intéressé", 9, 9),
    ("bonjour monsieur je peux passer demain pour votre ligne", 9, 9),
    ("good morning sir we would gladly have our windows painted whenever suits your workshop", 9, 9),
    ("je ne veux plus de la ligne votre correspondant est injoignable pour le moment", 9, 9),
]

CASES: list[Case] = [
    *REFUSED,
    *POSTPONED,
    *UNREACHABLE,
    *SILENCE,
    *OTHER,
    *NO_EQUIPMENT,
    *ABSENT,
    *CLOSED,
    *NOT_CLASSIFIED,
]
