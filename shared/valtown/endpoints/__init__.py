"""Val Town's endpoints, one module a family; `shared.valtown.client.ValTownClient` has them all."""
