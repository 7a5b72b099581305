"""Random changes of every kind, the same for the same seed."""

import random

import ldb

import populate


def churn(domain, seed, count):
    """Makes `count` changes and returns how many of each kind succeeded.

    A change that AD refuses (a name in use, a group of its own primary member) is counted under
    "refused": which combinations those are is AD's business, not the test's.
    """
    dice = random.Random(seed)
    made = {}
    serial = 0
    while sum(made.values()) < count:
        kind = dice.choice(KINDS)
        serial += 1
        try:
            done = kind(domain, dice, f"{seed}-{serial}")
        except (ldb.LdbError, StopIteration):
            made["refused"] = made.get("refused", 0) + 1
            continue
        if done is not False:
            made[kind.__name__] = made.get(kind.__name__, 0) + 1
    return made


def pick(domain, dice, expression, base=None):
    found = domain.sam.search(
        base or domain.base, ldb.SCOPE_SUBTREE, expression, attrs=["objectGUID"]
    )
    # The order of a search is none: by GUID the same seed would still differ between domains.
    names = sorted(str(m.dn) for m in found)
    return dice.choice(names) if names else None


def user(domain, dice):
    return pick(domain, dice, "(&(sAMAccountType=805306368)(!(isCriticalSystemObject=TRUE))"
                              "(!(sAMAccountName=svc-*)))")


def group(domain, dice):
    return pick(domain, dice, "(&(objectClass=group)(!(isCriticalSystemObject=TRUE)))",
                f"OU=Groups,{domain.base}")


def place(domain, dice):
    return pick(domain, dice, "(&(objectClass=organizationalUnit)(!(ou=Domain Controllers)))")


def rdn_value(dice, tag):
    word = dice.choice(["Plain", "Comma\\, Inc", "Ünïcödé", "Plus\\+Equal\\=", "Quote\\\"d\\\"",
                        "back\\\\slash", "(paren)", "\\#number", "日本"])
    return f"{word} {tag}"


def add_user(domain, dice, tag):
    number = dice.randrange(10**6)
    attributes = {"displayName": f"New {tag}", "mail": f"n{number}@mail.example.com"}
    if dice.random() < 0.3:
        attributes["uidNumber"] = str(80_000 + number)
    domain.add_user(
        f"CN={rdn_value(dice, tag)},{place(domain, dice)}", f"N{seed_name(tag)}", None, attributes
    )


def add_group(domain, dice, tag):
    kind = dice.choice([-2147483646, -2147483644, -2147483640, 2, 4, 8])
    name = rdn_value(dice, tag)
    domain.add_group(f"CN=G {name},OU=Groups,{domain.base}", f"g{seed_name(tag)}", kind)


def add_unit(domain, dice, tag):
    domain.add_unit(f"OU={rdn_value(dice, tag)},{place(domain, dice)}")


ATTRIBUTES = ["displayName", "givenName", "sn", "telephoneNumber", "department", "description",
              "title", "mail"]


def replace_attribute(domain, dice, tag):
    domain.modify(user(domain, dice), "replace", dice.choice(ATTRIBUTES), [f"Value é {tag}"])


def remove_attribute(domain, dice, tag):
    domain.modify(user(domain, dice), "replace", dice.choice(ATTRIBUTES), [])


def multi_valued_attribute(domain, dice, tag):
    values = [f"+49 {tag} {n}" for n in range(dice.randrange(1, 5))]
    domain.modify(user(domain, dice), "replace", "otherTelephone", values)


def change_sam(domain, dice, tag):
    domain.modify(user(domain, dice), "replace", "sAMAccountName", [f"S{seed_name(tag)}"])


def change_upn(domain, dice, tag):
    domain.modify(user(domain, dice), "replace", "userPrincipalName",
                  [f"upn.{tag}@corp.example.com"])


def posix_number(domain, dice, tag):
    attribute = dice.choice(["uidNumber", "gidNumber"])
    values = [] if dice.random() < 0.5 else [str(90_000 + dice.randrange(10**6))]
    domain.modify(user(domain, dice), "replace", attribute, values)


def posix_group_number(domain, dice, tag):
    values = [] if dice.random() < 0.5 else [str(90_000 + dice.randrange(10**6))]
    domain.modify(group(domain, dice), "replace", "gidNumber", values)


def manager(domain, dice, tag):
    domain.modify(user(domain, dice), "replace", "manager", [user(domain, dice)])


def rename_user(domain, dice, tag):
    dn = user(domain, dice)
    domain.rename(dn, f"CN={rdn_value(dice, tag)},{parent(domain, dn)}")


def change_case(domain, dice, tag):
    dn = ldb.Dn(domain.sam, user(domain, dice))
    flipped = dn.get_rdn_value().swapcase()
    new = ldb.Dn(domain.sam, str(dn))
    new.set_component(0, "CN", flipped)
    domain.rename(str(dn), str(new))


def move_user(domain, dice, tag):
    dn = user(domain, dice)
    domain.rename(dn, f"{first(domain, dn)},{place(domain, dice)}")


def rename_group(domain, dice, tag):
    dn = group(domain, dice)
    domain.rename(dn, f"CN=G {rdn_value(dice, tag)},{parent(domain, dn)}")


def rename_unit(domain, dice, tag):
    dn = place(domain, dice)
    if dn in KEPT:
        return False
    domain.rename(dn, f"OU={rdn_value(dice, tag)},{parent(domain, dn)}")


def move_unit(domain, dice, tag):
    dn, under = place(domain, dice), place(domain, dice)
    if dn in KEPT:
        return False
    domain.rename(dn, f"{first(domain, dn)},{under}")


def delete_user(domain, dice, tag):
    domain.delete(user(domain, dice))


def delete_group(domain, dice, tag):
    dn = group(domain, dice)
    if "Everybody" in dn:
        return False
    domain.delete(dn)


def delete_subtree(domain, dice, tag):
    """A unit with people and a unit in it, made and filled and then deleted at once."""
    top = f"OU={rdn_value(dice, tag)},{place(domain, dice)}"
    domain.add_unit(top)
    domain.add_unit(f"OU=Below,{top}")
    domain.add_user(f"CN=Gone,OU=Below,{top}", f"T{seed_name(tag)}")
    add_to_group(domain, group(domain, dice), f"CN=Gone,OU=Below,{top}")
    domain.delete(top, tree=True)


def reanimate_user(domain, dice, tag):
    dn = user(domain, dice)
    guid = domain.guid(dn)
    domain.delete(dn)
    domain.reanimate(guid, f"CN=Back {tag},{place(domain, dice)}")
    back = f"CN=Back {tag}"
    found = domain.sam.search(domain.base, ldb.SCOPE_SUBTREE, f"(objectGUID={guid})",
                              attrs=["sAMAccountType"])
    assert str(found[0].dn).startswith(back), found[0].dn


def member_add(domain, dice, tag):
    add_to_group(domain, group(domain, dice), user(domain, dice))


def group_in_group(domain, dice, tag):
    add_to_group(domain, group(domain, dice), group(domain, dice))


def member_remove(domain, dice, tag):
    dn = group(domain, dice)
    members = domain.read(dn, "member")
    if not members:
        return False
    domain.modify(dn, "delete", "member", [str(dice.choice(sorted(members)))])


def members_clear(domain, dice, tag):
    dn = group(domain, dice)
    if "Everybody" in dn:
        return False
    domain.modify(dn, "replace", "member", [])


def member_there_and_back(domain, dice, tag):
    """Added and removed between two polls: DirSync then tells of the removal of the unknown."""
    dn, who = group(domain, dice), user(domain, dice)
    add_to_group(domain, dn, who)
    domain.modify(dn, "delete", "member", [who])


def disable(domain, dice, tag):
    domain.enable(user(domain, dice), False)


def enable(domain, dice, tag):
    domain.enable(user(domain, dice), True)


def expire(domain, dice, tag):
    domain.expire(user(domain, dice), dice.random() < 0.5)


def lock(domain, dice, tag):
    dn = user(domain, dice)
    domain.lock(dn) if dice.random() < 0.5 else domain.unlock(dn)


def set_password(domain, dice, tag):
    domain.fast_password(user(domain, dice), f"New-{tag}-word!")


def primary_group(domain, dice, tag):
    dn = user(domain, dice)
    groups = [str(value) for value in domain.read(dn, "memberOf")]
    if not groups:
        return False
    domain.primary_group(dn, dice.choice(sorted(groups)))


def add_to_group(domain, group_dn, member):
    domain.modify(group_dn, "add", "member", [member])


def parent(domain, dn):
    return str(ldb.Dn(domain.sam, dn).parent())


def first(domain, dn):
    parsed = ldb.Dn(domain.sam, dn)
    value = parsed.get_rdn_value()
    return f"{parsed.get_rdn_name()}={escape(value)}"


def escape(value):
    """RFC 4514 text of an attribute value."""
    text = "".join("\\" + c if c in '",+;<>\\=' else c for c in value)
    return "\\" + text if text[:1] in ("#", " ") else text


def seed_name(tag):
    return tag.replace("-", "x")


# Units whose names the tests and this file rely on.
KEPT = [f"OU={name},{populate.BASE}" for name in ("Groups", "Bulk", "Service")]

KINDS = [
    add_user, add_user, add_group, add_unit, replace_attribute, replace_attribute,
    remove_attribute, multi_valued_attribute, change_sam, change_upn, posix_number,
    posix_group_number, manager, rename_user, change_case, move_user, rename_group, rename_unit,
    move_unit, delete_user, delete_group, delete_subtree, reanimate_user, member_add, member_add,
    group_in_group, member_remove, members_clear, member_there_and_back, disable, enable, expire,
    lock, set_password, primary_group,
]
