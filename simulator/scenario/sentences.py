"""Invented sentences for the messages of reps."""

from simulator.events.seeded import SeededRandom

_SENTENCES = (
    "Thank you for waiting, I have your order in front of me now.",
    "The parcel left our warehouse yesterday and should reach you within two days.",
    "Could you tell me the last four digits of the order number, please?",
    "I have sent you a new label for the return; the old one is no longer valid.",
    "Our technician can come on Thursday between eight and noon, or on Friday after two.",
    "The refund goes back to the card you paid with and takes three to five working days.",
    "Ich habe das für Sie geändert, die neue Lieferadresse ist gespeichert. 😊",
    "If the light still blinks red, please hold the button for ten seconds.",
    "Je vérifie cela tout de suite avec le dépôt, un instant s'il vous plaît.",
    "Your contract runs until the end of March; I can extend it at the same price.",
    "That was our mistake, and I am sorry; a replacement is on its way.",
    "Is there anything else that I can do for you today?",
    "The appointment is moved, and the confirmation will come by e-mail.",
    "Please restart the router first; most of the time that is already enough.",
    "I am handing this over to a colleague who knows these devices best.",
    "お待たせしました。ご注文を確認いたしました。",
)
_WHISPERS = (
    "Offer ten percent at most, this account had a credit last month.",
    "Careful, legal is watching this one.",
    "Please take the next case after this, the queue is long.",
    "The customer has called four times this week about the same part.",
)


def some_text(rng: SeededRandom) -> str:
    """Return two to six sentences: with its envelope an event of about 1 KB."""
    return " ".join(rng.choices(_SENTENCES, k=rng.randint(2, 6)))


def some_whisper(rng: SeededRandom) -> str:
    """Return what one rep tells another and no customer may read."""
    return rng.choice(_WHISPERS)
