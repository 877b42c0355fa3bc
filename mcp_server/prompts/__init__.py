"""Prompts: what a person picks to start a piece of work.

    registry      @prompt: a plain async function becomes a Prompt with its arguments; PromptRegistry
    vals          prompts about vals
    catalog       build_prompts(): the list of families

A new prompt is a function in its family's module, a line in that module's PROMPTS and one in
`shared/policy.py`.
"""
