# Turn a JSON text into lines of path, tab, value: {"a": {"b": "c"}} becomes "/a/b	c".
# An escaped line end becomes a space, so that a value stays on its line.
function skip() {
    sub(/^[ \t\r\n]+/, "", text)
}

function string(   raw) {
    match(text, /^"([^"\\]|\\.)*"/)
    raw = substr(text, 2, RLENGTH - 2)
    text = substr(text, RLENGTH + 1)
    gsub(/\\[nrt]/, " ", raw)
    gsub(/\\"/, "\"", raw)
    gsub(/\\\//, "/", raw)
    gsub(/\\\\/, "\\", raw)
    sub(/ +$/, "", raw)
    return raw
}

function value(path,   first, name, count, mark) {
    skip()
    first = substr(text, 1, 1)
    if (first == "\"") {
        print path "\t" string()
        return
    }
    if (first == "{" || first == "[") {
        text = substr(text, 2)
        count = 0
        while (1) {
            skip()
            if (text == "") return
            mark = substr(text, 1, 1)
            if (mark == "}" || mark == "]" || mark == ",") {
                text = substr(text, 2)
                if (mark == ",") continue
                return
            }
            name = count++
            if (first == "{") {
                name = string()
                skip()
                text = substr(text, 2)
            }
            value(path "/" name)
        }
    }
    if (!match(text, /^[-+.A-Za-z0-9]+/)) {
        text = ""
        return
    }
    print path "\t" substr(text, 1, RLENGTH)
    text = substr(text, RLENGTH + 1)
}

{ text = text $0 "\n" }

END { value("") }
