"""`python -m dev.docs`: write every document that is made from code."""

from dev.docs import DOCUMENTS, ROOT

for name, document in DOCUMENTS.items():
    (ROOT / name).write_text(document(), encoding="utf-8")
    print(name)
