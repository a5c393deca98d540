"""Generate plausible mail in many languages. The same seed gives the same mail."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from localdev.mail.item import MailItem
from mailsync.model import Address

NEWEST_MESSAGE_TIME = datetime(2026, 6, 30, 18, 0, tzinfo=UTC)
_MEAN_GAP_S = 900

CORRESPONDENTS = (
    Address("Grace Hopper", "grace@example.com"),
    Address("José Muñoz", "jose.munoz@example.es"),
    Address("Zoë Müller", "zoe.mueller@example.de"),
    Address("佐藤 花子", "hanako.sato@example.jp"),
    Address("王小明", "xiaoming.wang@example.cn"),
    Address("ليلى حداد", "layla.haddad@example.ae"),
    Address("נועה כהן", "noa.cohen@example.co.il"),
    Address("Олена Шевченко", "olena@example.ua"),
    Address("", "no-reply@example.net"),
)
# A subject and a body for each language. "{n}" becomes the message's number.
SUBJECTS_AND_BODIES = (
    ("Invoice {n} is due", "Dear customer,\n\ninvoice {n} is due on Friday.\n\nRegards"),
    ("Besprechung über Entwurf {n}", "Hallo,\n\nkönnen wir Entwurf {n} am Montag besprechen?"),
    ("Réunion n° {n} décalée", "Bonjour,\n\nla réunion n° {n} est décalée à 15 h."),
    ("会議のお知らせ {n}", "お疲れ様です。\n\n第{n}回の会議についてお知らせします。"),
    ("第 {n} 号订单已发货", "您好，\n\n您的第 {n} 号订单已发货。"),
    ("تقرير رقم {n}", "مرحباً،\n\nتجد التقرير رقم {n} مرفقاً."),
    ("סיכום פגישה {n}", "שלום,\n\nמצורף סיכום פגישה {n}."),
    ("Зустріч {n} перенесено", "Вітаю!\n\nЗустріч {n} перенесено на завтра."),
    ("🎉 Release {n} is out 🚀", "It is done 👩‍💻\n\nRelease {n} is out, thank you all! 🙏"),
)
# Two folders have the name "Reports", under different parents. The empty path is the inbox.
FOLDER_PATHS_AND_WEIGHTS: tuple[tuple[tuple[str, ...], int], ...] = (
    ((), 70),
    (("Sent Items",), 8),
    (("Archive",), 6),
    (("Projects",), 3),
    (("Projects", "Reports"), 3),
    (("Projects", "Reports", "2025 年度"), 2),
    (("Finance",), 2),
    (("Finance", "Reports"), 2),
    (("Drafts",), 1),
    (("Deleted Items",), 2),
    (("Conversation History",), 1),
)
_CATEGORIES = ("Red category", "Blue category", "Travel")
_MARKUP = (
    "<html><head><style>p{{margin:0}}</style></head><body>{body}"
    '<p><a href="https://example.com/{n}">https://example.com/{n}</a></p></body></html>'
)


def generate_mail_items(count: int, *, owner: str, seed: int = 1) -> Iterator[MailItem]:
    """Yield `count` messages to and from the address `owner`, newest first. Some are replies. The
    same `seed` gives the same messages."""
    chance = random.Random(seed)
    me = Address(owner.partition("@")[0].title(), owner)
    paths, weights = zip(*FOLDER_PATHS_AND_WEIGHTS, strict=True)
    received_at = NEWEST_MESSAGE_TIME
    for number in range(count):
        received_at -= timedelta(seconds=chance.randint(1, 2 * _MEAN_GAP_S))
        folder = chance.choices(paths, weights)[0]
        item = _mail(chance, number, folder=folder, owner=me, received_at=received_at)
        yield _answered(chance, item) if chance.random() < 0.3 else item


def _mail(
    chance: random.Random,
    number: int,
    *,
    folder: tuple[str, ...],
    owner: Address,
    received_at: datetime,
) -> MailItem:
    subject, text = chance.choice(SUBJECTS_AND_BODIES)
    other = chance.choice(CORRESPONDENTS)
    is_draft, is_own = folder == ("Drafts",), folder in (("Sent Items",), ("Drafts",))
    is_html = chance.random() < 0.6
    text = "\n\n".join([text] * chance.randint(1, 6)).format(n=number)
    body = _MARKUP.format(body=_paragraphs(text), n=number) if is_html else text
    return MailItem(
        subject=subject.format(n=number),
        body=body,
        body_type="html" if is_html else "text",
        received_at=received_at,
        sent_at=received_at - timedelta(seconds=chance.randint(0, 30)),
        folder=folder,
        sender=None if is_draft else owner if is_own else other,
        to=(other if is_own else owner,),
        cc=tuple(chance.sample(CORRESPONDENTS, chance.choice((0, 0, 0, 1, 2)))),
        internet_message_id=f"<{number}.{chance.getrandbits(48):x}@example.com>",
        conversation=f"thread {number}",
        is_read=is_own or chance.random() < 0.8,
        is_draft=is_draft,
        is_flagged=chance.random() < 0.05,
        importance=chance.choices(("normal", "high", "low"), (90, 7, 3))[0],
        categories=tuple(chance.sample(_CATEGORIES, chance.choice((0, 0, 0, 0, 1, 2)))),
        has_attachments=chance.random() < 0.15,
    )


def _answered(chance: random.Random, item: MailItem) -> MailItem:
    """Return the message as a reply in one of the five threads of the day on which it was
    received."""
    thread = f"{item.received_at:%Y-%m-%d} {chance.randint(1, 5)}"
    return replace(item, subject=f"Re: {item.subject}", conversation=thread)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{line}</p>" for line in text.split("\n") if line)
