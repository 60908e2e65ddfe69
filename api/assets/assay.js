// Live pages: appends what a job prints, and fetches the head of a page again when a state changes.
// Without this script every page works; it only has to be reloaded.
(function () {
  'use strict';

  // Replaces an element by what a fresh copy of this page has in its place.
  function refresh(id) {
    return fetch(location.href, { credentials: 'same-origin', headers: { Accept: 'text/html' } })
      .then(function (response) { return response.ok ? response.text() : Promise.reject(response.status); })
      .then(function (text) {
        var fresh = new DOMParser().parseFromString(text, 'text/html');
        var now = document.getElementById(id), then = fresh.getElementById(id);
        if (now && then) { now.replaceWith(then); document.title = fresh.title; }
      })
      .catch(function () { /* the next event tries again */ });
  }

  // Runs `work` at most twice a second, and once more at the end of a burst.
  function calm(work) {
    var timer = null;
    return function () {
      if (timer === null) { timer = setTimeout(function () { timer = null; work(); }, 500); }
    };
  }

  function followBuild(address) {
    var events = new EventSource(address), again = calm(function () { refresh('live'); });
    // The first events say what the page shows already.
    var opened = Date.now();
    function changed() { if (Date.now() - opened > 300) { again(); } }
    events.addEventListener('build', changed);
    events.addEventListener('job', changed);
    events.addEventListener('end', function () { events.close(); refresh('live'); });
  }

  function followLog(log, address) {
    var events = new EventSource(address), again = calm(function () { refresh('head'); });
    var state = null, folds = [];
    var tail = log.querySelector(':scope > .tail');
    if (!tail) { tail = row('l tail', ''); log.append(tail); }
    // Folds that were open when the page was made go on.
    for (var box = log.querySelector(':scope > details[data-running]'); box; box = box.querySelector(':scope > details[data-running]')) {
      folds.push(box);
    }

    function row(kind, html) {
      var line = document.createElement('div'), code = document.createElement('code');
      line.className = kind;
      code.innerHTML = html; // escaped by the daemon
      line.append(code);
      return line;
    }
    function numbered(number, html) {
      var line = row('l', html), link = document.createElement('a');
      line.id = 'L' + number;
      link.href = '#L' + number;
      link.textContent = number;
      line.prepend(link);
      return line;
    }
    function label(kind, text) {
      var mark = document.createElement('i');
      mark.className = kind;
      mark.textContent = text;
      return mark;
    }
    function place(element) {
      if (folds.length) { folds[folds.length - 1].append(element); } else { tail.before(element); }
    }
    function step(one) {
      if (one.line) {
        place(numbered(one.line[0], one.line[1]));
      } else if (one.open) {
        var fold = document.createElement('details'), head = document.createElement('summary');
        var line = numbered(one.open[0], one.open[1]);
        line.append(label('fold', one.open[2]));
        head.append(line);
        fold.append(head);
        fold.open = true;
        place(fold);
        folds.push(fold);
      } else if (one.time) {
        var timed = document.getElementById('L' + one.time[0]);
        if (timed) { timed.append(label('time', one.time[1])); }
      } else if (one === 'close' && folds.length) {
        folds.pop().open = false;
      }
    }

    events.onmessage = function (event) {
      var page = document.scrollingElement;
      var atEnd = page.scrollHeight - page.scrollTop - window.innerHeight < 80;
      var data = JSON.parse(event.data);
      data.update.steps.forEach(step);
      tail.firstChild.innerHTML = data.update.tail; // escaped by the daemon
      if (data.final) { tail.hidden = true; }
      if (atEnd) { page.scrollTop = page.scrollHeight; }
    };
    events.addEventListener('state', function (event) {
      var now = JSON.parse(event.data).state;
      if (state !== null && state !== now) { again(); }
      state = now;
    });
    events.addEventListener('end', function () {
      events.close();
      tail.hidden = true;
      refresh('head');
    });
  }

  var live = document.querySelector('[data-events]');
  if (live) { followBuild(live.dataset.events); }
  var log = document.querySelector('[data-log]');
  if (log) { followLog(log, log.dataset.log); }
})();
