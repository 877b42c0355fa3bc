"""Val Town as MCP resources: what a person attaches to a conversation.

    registry      @resource: a plain async function becomes a Resource with a URI or template
    templates     RFC 6570 templates, as far as they are used here
    suggestions   what to complete variables and arguments with
    account vals files guidance   the resources, one module a family
    guides/       the texts of the guides
    catalog       build_resources(): the list of families

A new resource is a function in its family's module, a line in that module's RESOURCES and one in
`shared/policy.py`.
"""
