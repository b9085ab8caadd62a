// A long list of lines of known heights, of which only those in sight are elements.

const OVERSCAN_PX = 600;

class Lines {
  constructor(view) {
    this.view = view;
    this.space = make("div", { class: "lines", role: "list" });
    this.drawn = new Map();
    this.lines = [];
    this.tops = [0];
    view.replaceChildren(this.space);
    let waiting = false;
    const later = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.draw();
      });
    };
    view.addEventListener("scroll", later, { passive: true });
  }

  show(lines, width) {
    this.lines = lines;
    this.tops = [0];
    for (const line of lines) this.tops.push(this.tops.at(-1) + line.height);
    this.space.style.height = `${this.tops.at(-1)}px`;
    this.space.style.width = width ? `${width}px` : "";
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
    this.draw();
  }

  draw() {
    const top = this.view.scrollTop - OVERSCAN_PX;
    const bottom = this.view.scrollTop + this.view.clientHeight + OVERSCAN_PX;
    const first = Math.max(0, this.#at(top));
    let last = first;
    while (last < this.lines.length && this.tops[last] < bottom) last += 1;
    for (const [index, element] of this.drawn) {
      if (index < first || index >= last) {
        element.remove();
        this.drawn.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) if (!this.drawn.has(index)) this.#add(index);
  }

  reveal(index) {
    const top = this.tops[index];
    const bottom = this.tops[index + 1];
    if (top < this.view.scrollTop) this.view.scrollTop = top;
    else if (bottom > this.view.scrollTop + this.view.clientHeight) this.view.scrollTop = bottom - this.view.clientHeight;
    this.draw();
  }

  #add(index) {
    const element = this.lines[index].make();
    element.style.top = `${this.tops[index]}px`;
    element.style.height = `${this.lines[index].height}px`;
    this.drawn.set(index, element);
    this.space.append(element);
  }

  #at(offset) {
    let low = 0;
    let high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1] <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
