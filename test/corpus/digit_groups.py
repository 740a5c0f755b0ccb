"""Digit groups of ordinary calls. None is the number of a person, so they must stay with all detectors on."""

from innocent import ID_FORMS, hexadecimal

EACH = 120  # values of each kind in each situation
BOUNDS = {"digit group": 1.5, "id under a name": 0.1}  # percent that may change


def digits(dice, count):
    return str(dice.randrange(10 ** (count - 1), 10 ** count))


def groups(dice, sizes, signs=" -"):
    return dice.choice(signs).join("".join(dice.choice("0123456789") for _ in range(size)) for size in sizes)


def in_fours(number):
    return " ".join(number[i:i + 4] for i in range(0, len(number), 4))


def any_groups(dice):
    return groups(dice, [dice.randint(2, 6) for _ in range(dice.randint(2, 4))], " -./")


def extensions(dice):
    size = dice.choice((3, 4))
    return dice.choice((", ", "/", " ", "-")).join(digits(dice, size) for _ in range(dice.randint(2, 5)))


def seconds(dice):
    return dice.randrange(1_400_000_000, 1_900_000_000)


def date_and_time(dice):
    year, month, day = dice.randint(2015, 2029), dice.randint(1, 12), dice.randint(1, 28)
    hour, minute, second = dice.randint(0, 23), dice.randint(0, 59), dice.randint(0, 59)
    return dice.choice((f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}",
                        f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{second:03}+01:00",
                        f"{day:02}.{month:02}.{year} {hour:02}:{minute:02}",
                        f"{month:02}/{day:02}/{year} {hour}:{minute:02}",
                        f"{day:02} {month:02} {year}", f"{year}{month:02}{day:02}{hour:02}{minute:02}{second:02}",
                        f"{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}", f"{day:02}-{month:02}-{year}"))


def tracking(dice):
    return dice.choice((lambda: f"1Z{hexadecimal(dice, 6).upper()}{digits(dice, 10)}", lambda: f"RR{digits(dice, 9)}DE",
                        lambda: digits(dice, dice.choice((12, 15, 20, 22)))))()


def tracking_in_groups(dice):
    return in_fours(digits(dice, 12) if dice.random() < 0.5 else "9" + digits(dice, 21))


def version(dice):
    parts = [str(dice.randrange(most)) for most in (30, 30, dice.choice((30, 10_000)), 300)]
    return ".".join(parts[:dice.choice((2, 3, 3, 4))]) + dice.choice(("", "", "-rc.1"))


TIME_WORDS = ("at", "since", "time", "event")
WORDS = ("call", "id", "leg", "event", "order", "ticket", "call id", "order number", "ref", "session", "Case")

# Digit groups in the texts of a call: how each is made, and the words before it.
FORMS = {
    "id of 16 digits, Dialpad's range": (lambda dice: str(dice.randrange(45 * 10**14, 675 * 10**13)), WORDS),
    "id of 13 to 15 digits": (lambda dice: digits(dice, dice.randint(13, 15)), WORDS),
    "id of 16 digits": (lambda dice: digits(dice, 16), WORDS),
    "id of 17 to 19 digits": (lambda dice: digits(dice, dice.randint(17, 19)), WORDS),
    "id of Twilio": (ID_FORMS["id of a call by Twilio"], WORDS),
    "id in groups of four, 16 digits": (lambda dice: groups(dice, (4, 4, 4, 4)), WORDS),
    "order number in three groups": (lambda dice: groups(dice, (3, 7, 7), "-"), ("order", "order number", "order id")),
    "ticket number in any groups": (any_groups, ("ticket", "ticket no", "case", "ref")),
    "extensions": (extensions, ("ext.", "extensions", "at", "agents")),
    "seconds since 1970": (lambda dice: str(seconds(dice)), TIME_WORDS),
    "milliseconds since 1970": (lambda dice: str(seconds(dice) * 1000 + dice.randrange(1000)), TIME_WORDS),
    "microseconds since 1970": (lambda dice: str(seconds(dice) * 10**6 + dice.randrange(10**6)), TIME_WORDS),
    "date and time": (date_and_time, ("at", "since", "on", "event")),
    "tracking number": (tracking, ("tracking", "tracking number", "parcel", "order")),
    "tracking number in groups of four": (tracking_in_groups, ("tracking", "tracking number", "parcel", "order")),
    "version": (version, ("version", "build", "release", "firmware")),
}

SITUATIONS = ("alone", "behind a word", "behind a word and a colon", "behind no such word")

ID_NAMES = """call_id leg_id event_id session_id agent_id user_id contact_id order_id ticket_id group_id office_id
target_id phone_id number_id customer_id entry_point_call_id master_call_id voicemail_recording_id conference_id
message_id""".split()

# As programs write them. People write groups with spaces, and only in texts.
ID_KINDS = [kind for kind in FORMS
            if kind.startswith(("id of", "order")) or kind.endswith("since 1970") or kind == "tracking number"]


def body(dice, situation, made, words):
    word = dice.choice(words)
    return {"note": {"alone": made, "behind a word": f"the {word} {made} ended",
                     "behind a word and a colon": f"{word}: {made}, ended",
                     "behind no such word": f"we saw {made} again"}[situation]}


def bodies(dice):
    for kind, (form, words) in FORMS.items():
        for situation in SITUATIONS:
            for _ in range(EACH):
                yield "digit group", kind, body(dice, situation, form(dice), words)
    for kind in ID_KINDS:
        for name in ID_NAMES:
            for i in range(EACH // 2):
                made = FORMS[kind][0](dice)
                yield "id under a name", kind, {name: int(made) if i % 2 and made.isdigit() else made}
