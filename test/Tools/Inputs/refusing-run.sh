#!/bin/sh
# A kforge-run that refuses kernels with tile-k=8: jobs that name a folder with such a kernel get a
# refusal, all others go to the real one. With a file `once` beside it, once.
own=$(dirname "$0")
while IFS= read -r job; do
  folders=$(printf '%s' "$job" | grep -o '"/[^"]*"' | tr -d '"')
  if grep -rqs '"tile-k": *8' $folders && [ ! -e "$own/refused" ]; then
    [ -e "$own/once" ] && touch "$own/refused"
    refusal='{"reason":"numeric-mismatch","detail":"a tile of 8"}'
    case $job in
    '{"candidates"'*)
      printf '[{"candidate":"%s","device":null,"version":"0","result":{"refused":%s}}]\n' \
        "$(basename "$folders")" "$refusal"
      ;;
    *) printf '{"refused":%s}\n' "$refusal" ;;
    esac
  else
    printf '%s\n' "$job" | REAL "$@"
  fi
done
